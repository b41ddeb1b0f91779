"""Compare the networks and the RARE-style model with the classical models: python experiments/mit1003/compare.py.

Writes every_tenth/differences.csv: paired differences over the same images, with 95% bootstrap intervals.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import paired_difference

FOLDER = Path(__file__).resolve().parent / "every_tenth"
CLASSICAL = ("itti", "icl", "hft", "gbvs", "rare_style")
METRICS = ("sim", "cc", "sauc", "auc_judd", "nss")


def main() -> None:
    scores = pd.read_parquet(FOLDER / "per_image.parquet")
    parts = {str(model): part.set_index("id") for model, part in scores.groupby("model")}
    rows = []
    for model in ("unisal", "cmrnet", "rare_style"):
        for other in CLASSICAL:
            for metric in METRICS if other != model else ():
                mine = parts[model].loc[parts[other].index, metric]
                gain = paired_difference(mine.to_numpy(), parts[other][metric].to_numpy())
                rows.append([model, other, metric, gain.images, gain.mean, gain.low, gain.high])
    table = pd.DataFrame(rows, columns=["model", "other", "metric", "images", "gain", "low", "high"])
    table.to_csv(FOLDER / "differences.csv", index=False, float_format="%.4f")


if __name__ == "__main__":
    main()
