"""Comparison of an explanation with its null models, e.g. the same method with shuffled filters."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from explainsal.metrics.bootstrap import mean_interval
from explainsal.reporting.results.table import ResultsTable, results_tables
from explainsal.reporting.run_folder import Run
from explainsal.reporting.summary import short


def null_table(fidelity: pd.DataFrame, seed: int = 0) -> ResultsTable:
    """Return means over the images of ``fidelity.csv`` with bootstrap intervals.

    No value is marked as best, because a null model with a high value is not a better explanation.
    """
    rows = []
    metrics = fidelity.drop(columns=["variant", "image"]).select_dtypes("number").columns
    for variant, table in fidelity.groupby("variant", sort=False):
        for metric in metrics:
            interval = mean_interval(table[metric].to_numpy(), seed=seed)
            if interval.images:
                rows.append((variant, metric, interval.mean, interval.low, interval.high, interval.images))
    frame = pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high", "images"])
    found = results_tables(frame)[0]
    return replace(found, cells={key: replace(cell, best=False) for key, cell in found.cells.items()})


def null_caption(table: ResultsTable) -> str:
    """Return a caption on the protocol of the numbers, which is not that of an evaluation."""
    images = "1 image" if table.most_images == 1 else f"{table.most_images} images"
    return f"Mean and bootstrap interval over {images}, each variant at the same configuration."


def null_command(run: Run) -> str:
    """Return the command that computes this run's explanation and a null model again, without repeating a training."""
    if run.manifest.task in ("explain", "evaluate"):
        return f"{run.manifest.command} nulls=[shuffled_filters]"
    checkpoint = short(run.folder) / "checkpoints" / "best.ckpt"
    return f"python -m explainsal.evaluate checkpoint={checkpoint} data=... nulls=[shuffled_filters]"


def distance_text(table: ResultsTable, metric: str = "cc_to_deep") -> str:
    """Return a sentence on the distance of the explanation to its best null model; empty if unknown."""
    cells = {model: table.cells[model, metric] for model in table.models if (model, metric) in table.cells}
    own = cells.pop("explanation", None)
    if own is None or not cells:
        return ""
    name, null = max(cells.items(), key=lambda item: item[1].mean)
    return (
        f"CC to the deep map {own.mean:.2f}, {own.mean - null.mean:+.2f} from the best null model "
        f"({name.replace('_', ' ')}, {null.mean:.2f})."
    ).replace("-", "−")
