"""Compare the standalone model learned from UNISAL with the others: python experiments/standalone/unisal/compare.py.

Reads scores/ and, for OSIE, the classical models of ../results/scores. Writes table.csv (means with 95% intervals) and
differences.csv (paired differences to every other model).
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import mean_interval, paired_difference

HERE = Path(__file__).resolve().parent
METRICS = ("sim", "cc", "nss", "kld", "auc", "sauc", "cc_to_deep")
MODEL = "standalone_unisal"


def main() -> None:
    tables, differences = [], []
    for name in ("osie", "mit1003"):
        scores = read_scores(name)
        tables.append(means(scores).assign(set=name))
        differences.append(gains(scores).assign(set=name))
    for file, parts in (("table.csv", tables), ("differences.csv", differences)):
        pd.concat(parts).to_csv(HERE / file, index=False, float_format="%.4f")


def read_scores(name: str) -> pd.DataFrame:
    """Scores of one data set; those of classical models on OSIE have another network's maps to compare with."""
    scores = pd.read_csv(HERE / "scores" / f"{name}.csv")
    if name != "osie":
        return scores
    files = [HERE.parent / "results" / "scores" / f"{file}.csv" for file in ("classical", "rare_style")]
    return pd.concat([scores, *(pd.read_csv(file).assign(cc_to_deep=float("nan")) for file in files)])


def means(scores: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for model, part in scores.groupby("model", sort=False):
        for metric in METRICS:
            own = mean_interval(part[metric].to_numpy())
            rows.append([model, metric, own.images, own.mean, own.low, own.high])
    return pd.DataFrame(rows, columns=["model", "metric", "images", "mean", "low", "high"])


def gains(scores: pd.DataFrame) -> pd.DataFrame:
    parts = {str(model): part.set_index("id") for model, part in scores.groupby("model")}
    rows = []
    for other in sorted(set(parts) - {MODEL}):
        for metric in METRICS[:-1]:
            mine = parts[MODEL].loc[parts[other].index, metric]
            gain = paired_difference(mine.to_numpy(), parts[other][metric].to_numpy())
            rows.append([other, metric, gain.images, gain.mean, gain.low, gain.high])
    return pd.DataFrame(rows, columns=["other", "metric", "images", "gain", "low", "high"])


if __name__ == "__main__":
    main()
