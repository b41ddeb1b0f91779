"""Composition of a standalone model: the share of its saliency map that passes through each kind of filter."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import COLUMN_WIDTH, MUTED, SERIES, USAGE_CMAP, horizontal_grid, new_figure


def ends(graph: pd.DataFrame) -> pd.Series:
    """Return the shares of the saliency map that come from each input map and from the pixels' position; the sum is 1.

    Args:
        graph: Columns source and flow, see :func:`~explainsal.distillation.term_table`.

    Example:
        >>> sources = ["input/luminance", "center/vertical", "stem/3", "center/center .12"]
        >>> ends(pd.DataFrame({"source": sources, "flow": [0.5, 0.25, 1.0, 0.25]})).to_dict()
        {'luminance': 0.5, 'position': 0.5}
    """
    kind, _, name = (graph["source"].str.partition("/")[i] for i in range(3))
    label = name.where(kind == "input", "position")
    reached = kind.isin(["input", "center"])
    return graph["flow"][reached].groupby(label[reached]).sum().sort_values(ascending=False)


def by_stage(graph: pd.DataFrame) -> pd.DataFrame:
    """Return the share of each kind of filter within every stage: a row per kind, a column per stage with sum 1."""
    table = graph.assign(kind=[_kind(*row) for row in zip(graph["part"], graph["wavelength"], strict=True)])
    table = table.pivot_table(index="kind", columns="layer", values="flow", aggfunc="sum", fill_value=0.0)
    return (table / table.sum(axis=0)).loc[sorted(table.index, key=_order)]


def by_orientation(graph: pd.DataFrame) -> pd.Series:
    """Return the share of each orientation, in degrees, among the log-Gabor terms; the sum is 1."""
    used = graph[graph["orientation"].notna()]
    flow = used["flow"].groupby(np.degrees(used["orientation"]).round(1)).sum()
    return flow / flow.sum()


def graph_figure(graph: pd.DataFrame, width: float = 2 * COLUMN_WIDTH) -> Figure:
    """Draw three panels: sources, filters by stage, orientations."""
    figure = new_figure(width, 3.0)
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 2, 1))
    _bars(left, ends(graph), "Sources of the map")
    _heat(middle, by_stage(graph), dict(zip(graph["layer"].tolist(), graph["name"].tolist(), strict=True)))
    angles = by_orientation(graph)
    _bars(right, angles.set_axis([f"{angle:g}°" for angle in angles.index]), "Orientations")
    return figure


def graph_text(graph: pd.DataFrame) -> str:
    """Return the content of the first panel as a sentence.

    Example:
        >>> graph_text(pd.DataFrame({"source": ["input/luminance", "center/vertical"], "flow": [0.75, 0.25]}))
        'Of the saliency map, 75% comes from luminance, 25% from position.'
    """
    shares = [f"{share:.0%} from {name}" for name, share in ends(graph).items()]
    return f"Of the saliency map, {', '.join(shares).replace('% from', '% comes from', 1)}."


def _kind(part: object, wavelength: float) -> str:
    if not isinstance(part, str) or not part:
        return "position"
    if part in ("energy", "odd"):
        return f"{wavelength:g} px"
    return {"even": "blur", "half_wave": "half-wave blur", "half_squared": "half-squared blur"}[part]


def _order(kind: str) -> float:
    return float(kind.split()[0]) if kind.endswith(" px") else math.inf


def _bars(axes: Axes, shares: pd.Series, title: str) -> None:
    axes.bar(range(len(shares)), shares, color=SERIES[0], width=0.7)
    axes.set_xticks(range(len(shares)), [str(name) for name in shares.index], rotation=40, ha="right", fontsize=6)
    axes.set_title(title)
    axes.set_ylabel("share", color=MUTED)
    horizontal_grid(axes)


def _heat(axes: Axes, table: pd.DataFrame, names: dict[int, str]) -> None:
    mesh = axes.pcolormesh(table.to_numpy(dtype=float), cmap=USAGE_CMAP, vmin=0, rasterized=True)
    axes.set_yticks(np.arange(len(table)) + 0.5, list(table.index), fontsize=6)
    labels = [names[int(layer)] for layer in table.columns.to_numpy()]
    axes.set_xticks(np.arange(len(labels)) + 0.5, labels, rotation=40, ha="right", fontsize=6)
    axes.set_title("Filters of each stage")
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(mesh, ax=axes, fraction=0.04, pad=0.02)
    bar.outline.set_visible(False)
