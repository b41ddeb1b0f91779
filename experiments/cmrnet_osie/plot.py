"""Draw curves.png from metrics.csv in this folder: python experiments/cmrnet_osie/plot.py."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent


def main() -> None:
    table = pd.read_csv(HERE / "metrics.csv")
    figure = Figure(figsize=(6.5, 2.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for column, label in (("train/loss", "training"), ("val/loss", "validation")):
        values = table.dropna(subset=[column])
        left.plot(values["epoch"], values[column], label=label)
    left.set(xlabel="epoch", ylabel="loss")
    left.legend(frameon=False)
    values = table.dropna(subset=["val/cc"])
    right.plot(values["epoch"], values["val/cc"])
    right.set(xlabel="epoch", ylabel="CC, validation images")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "curves.png", dpi=150)


if __name__ == "__main__":
    main()
