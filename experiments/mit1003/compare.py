"""Compare networks and explainable models with classical models and null models: python experiments/mit1003/compare.py.

Writes differences.csv into whole/, every_tenth/ and explained/: paired differences over the same images, with 95%
bootstrap intervals.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import paired_difference

HERE = Path(__file__).resolve().parent
CLASSICAL = ("itti", "icl", "hft", "gbvs", "rare_style", "sim_grouping")
METRICS = ("sim", "cc", "sauc", "auc_judd", "nss")


def read(folder: str) -> dict[str, pd.DataFrame]:
    """Return the scores per image of each row of a table."""
    scores = pd.read_parquet(HERE / folder / "per_image.parquet")
    return {str(model): part.set_index("id") for model, part in scores.groupby("model")}


def write(folder: str, parts: dict[str, pd.DataFrame], pairs: list[tuple[str, str]]) -> None:
    """Write the differences of pairs of rows, on the images that both have."""
    rows = []
    for model, other in pairs:
        images = parts[model].index.intersection(parts[other].index)
        for metric in METRICS:
            mine, its = (parts[name].loc[images, metric].to_numpy() for name in (model, other))
            gain = paired_difference(mine, its)
            rows.append([model, other, metric, gain.images, gain.mean, gain.low, gain.high])
    table = pd.DataFrame(rows, columns=["model", "other", "metric", "images", "gain", "low", "high"])
    table.to_csv(HERE / folder / "differences.csv", index=False, float_format="%.4f")


def main() -> None:
    for folder in ("whole", "every_tenth"):
        parts = read(folder)
        others = [other for other in CLASSICAL if other in parts]
        models = ("unisal", "cmrnet", "rare_style")
        write(folder, parts, [(model, other) for model in models for other in others if other != model])
    parts |= read("explained")
    pairs = [("explainable_unisal", "explainable_cmrnet")]
    for name in ("cmrnet", "unisal"):
        others = (name, f"shuffled_filters_{name}", f"untrained_network_{name}", *CLASSICAL)
        pairs += [(f"explainable_{name}", other) for other in others]
    write("explained", parts, pairs)


if __name__ == "__main__":
    main()
