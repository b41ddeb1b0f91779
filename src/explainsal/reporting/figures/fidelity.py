"""Fidelity of the reconstruction of every layer's activation maps, against depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from explainsal.reporting.figures.style import COLUMN_WIDTH, MARKERS, SERIES, new_figure
from explainsal.reporting.run_folder import ExplanationTables

MEASURES = {"correlation": "correlation", "relative_mae": "relative MAE"}
NAME_SIZE = 6  # points
ROW_HEIGHT = 0.115  # inches; keeps names of this size apart
WORST_RELATIVE_MAE = 2.0  # a larger error means a failed reconstruction, and would compress the scale


def fidelity_figure(explanations: Mapping[str, ExplanationTables], width: float = COLUMN_WIDTH) -> Figure:
    """Draw a row per layer with its name, from the input at the top; presets have different colors and markers.

    Args:
        explanations: Tables by name of the preset, all for one network.
        width: Width in inches.

    Raises:
        ValueError: If there is no preset.
    """
    if not explanations:
        raise ValueError("this run has no explanation to draw")
    deepest = max((tables.depth for tables in explanations.values()), key=len)
    height = 0.75 + ROW_HEIGHT * len(deepest)
    figure = new_figure(width, height)
    figure.set_layout_engine("none")  # constrained layout would measure hundreds of names, in half a second
    margins = {
        "left": (_name_width(deepest["name"]) + 0.1) / width,
        "right": 1 - 0.1 / width,
        "bottom": 0.42 / height,
        "top": 1 - 0.22 / height,
    }
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw=margins | {"wspace": 0.25})
    for axes, measure in ((left, "correlation"), (right, "relative_mae")):
        for (preset, tables), color, marker in zip(explanations.items(), SERIES, MARKERS, strict=False):
            _draw_measure(axes, tables, measure, preset, color, marker)
        axes.set_title(MEASURES[measure])
    left.set_xlim(min(0.0, left.get_xlim()[0]), 1.02)
    right.set_xlim(0, min(WORST_RELATIVE_MAE, max(1.02, right.get_xlim()[1])))
    left.set_yticks(deepest["layer"], deepest["name"], fontsize=NAME_SIZE)
    left.set_ylim(deepest["layer"].max() + 0.7, deepest["layer"].min() - 0.7)
    left.tick_params(axis="y", length=0)
    right.tick_params(axis="y", length=0)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=min(3, len(labels)))
    return figure


def _name_width(names: Iterable[str]) -> float:
    """Return the width of the longest name in inches."""
    extents = TextPath((0, 0), max(names, key=len), size=NAME_SIZE).get_extents()
    return float(extents.width) / 72


def _draw_measure(axes: Axes, tables: ExplanationTables, measure: str, preset: str, color: str, marker: str) -> None:
    """Draw the mean over images, and a band from the worst to the best image."""
    by_layer = tables.layers.groupby("layer")[measure]
    mean, low, high = by_layer.mean(), by_layer.min(), by_layer.max()
    axes.fill_betweenx(mean.index, low, high, color=color, alpha=0.15, linewidth=0)
    axes.plot(mean, mean.index, color=color, marker=marker, markersize=2.2, linewidth=0.8, label=preset)


def fidelity_text(tables: ExplanationTables) -> str:
    """Return a preset's curve as a sentence."""
    depth = tables.depth.dropna(subset=["correlation"])
    if depth.empty:
        return "All maps of all layers are constant."
    worst, best = (depth.iloc[place(depth["correlation"])] for place in (np.argmin, np.argmax))
    return (
        f"Mean correlation {np.mean(depth['correlation']):.2f} over {len(depth)} layers; "
        f"best {best['correlation']:.2f} at {best['name']}, least {worst['correlation']:.2f} at {worst['name']}."
    ).replace(" -", " −")
