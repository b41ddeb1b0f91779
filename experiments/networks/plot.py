"""Draw curves.png from the metrics.csv of every network in this folder: python experiments/networks/plot.py."""

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

HERE = Path(__file__).resolve().parent


def main() -> None:
    folders = sorted(path.parent for path in HERE.glob("*/metrics.csv"))
    figure = Figure(figsize=(7, 2.3 * len(folders)), layout="constrained")
    for folder, (left, right) in zip(folders, figure.subplots(len(folders), 2, squeeze=False), strict=True):
        table = pd.read_csv(folder / "metrics.csv")
        for column, label in (("train/loss", "training"), ("val/loss", "validation")):
            values = table.dropna(subset=[column])
            left.plot(values["epoch"], values[column], label=label)
        left.set(xlabel="epoch", ylabel="loss", title=folder.name)
        left.legend(frameon=False)
        values = table.dropna(subset=["val/cc"])
        right.plot(values["epoch"], values["val/cc"], marker=".")
        right.set(xlabel="epoch", ylabel="CC, validation images")
        for axes in (left, right):
            axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(HERE / "curves.png", dpi=130)


if __name__ == "__main__":
    main()
