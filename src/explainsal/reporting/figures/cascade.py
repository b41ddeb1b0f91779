"""Cascading randomization of weights as a figure and a sentence (Adebayo et al., 2018)."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import COLUMN_WIDTH, MARKERS, MUTED, SERIES, new_figure

CURVES = {
    "maps": "network's map, to the trained one's",
    "explanations": "explainable map, to the trained one's",
    "cc_to_deep": "explainable map, to its own network's",
}


def cascade_figure(cascade: pd.DataFrame, width: float = COLUMN_WIDTH) -> Figure:
    """Draw the mean of each correlation over the images, against the last randomized layer.

    Args:
        cascade: ``cascade.csv``, see :func:`~explainsal.explanation.cascade.cascade_table`.
        width: Width in inches.
    """
    means = _by_step(cascade)
    figure = new_figure(width, 2.6)
    axes = figure.subplots()
    for (column, label), color, marker in zip(CURVES.items(), SERIES, MARKERS, strict=False):
        axes.plot(means.index, means[column], color=color, marker=marker, markersize=3, linewidth=1, label=label)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    reached = zip(means["layer"], means["fresh"], strict=True)
    labels = [f"{layer} ({fresh})" if fresh else str(layer) for layer, fresh in reached]
    axes.set_xticks(list(means.index), labels, rotation=30, ha="right")
    axes.set_xlabel("last randomized layer (number of randomized layers)")
    axes.set_ylabel("correlation")
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.03)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", frameon=False)
    return figure


def cascade_text(cascade: pd.DataFrame) -> str:
    """Return the result of the cascade as a sentence with numbers."""
    means = _by_step(cascade)
    steps = zip(*(means[column].tolist() for column in ("fresh", "maps", "explanations")), strict=True)
    parts = [
        f"{maps:.2f} and {explanations:.2f} with {fresh} of {means['fresh'].max()} layers randomized"
        for fresh, maps, explanations in steps
        if fresh
    ]
    return (
        f"Correlation of the network's map and of the explainable map with those of the trained network: "
        f"{'; '.join(parts)}. An explanation that stays the same while the map changes does not explain these weights."
    ).replace(" -", " −")


def _by_step(cascade: pd.DataFrame) -> pd.DataFrame:
    grouped = cascade.groupby("step", sort=True)
    return pd.concat([grouped[["layer", "fresh"]].first(), grouped[list(CURVES)].mean()], axis=1)
