"""Ranks of the models under each metric profile; a crossing of lines shows a dependence on the profile."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import MARKERS, MUTED, PAGE_WIDTH, SERIES, new_figure
from explainsal.reporting.results.profiles import rank_table
from explainsal.reporting.results.titles import metric_title, model_title


def profiles_figure(profiles: pd.DataFrame, width: float = PAGE_WIDTH, columns: int = 4) -> Figure:
    """Draw a panel per metric with a line per model: profiles from left to right, the best model at the top.

    Args:
        profiles: Table of :func:`~explainsal.reporting.results.profiles.summarize_profiles`.
        width: Width in inches.
        columns: Panels per row.

    Raises:
        ValueError: If no metric belongs to two profiles.
    """
    ranks = rank_table(profiles)
    metrics = list(dict.fromkeys(name.partition("/")[0] for name in map(str, ranks)))
    if not metrics:
        raise ValueError("no metric was scored in two profiles; set evaluation.profiles=[tuebingen,mit2016]")
    rows = -(-len(metrics) // columns)
    figure = new_figure(width, (0.65 + 0.17 * len(ranks)) * rows + 0.4)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for axes, metric in zip(panels, metrics, strict=False):
        own = [name for name in map(str, ranks) if name.startswith(f"{metric}/")]
        _draw(axes, ranks[own], metric)
    for axes in figure.axes[len(metrics) :]:
        axes.remove()
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
    return figure


def _draw(axes: Axes, ranks: pd.DataFrame, metric: str) -> None:
    places = np.arange(ranks.shape[1])
    for number, (model, row) in enumerate(ranks.iterrows()):
        color, marker = SERIES[number % len(SERIES)], MARKERS[number // len(SERIES) % len(MARKERS)]
        title = model_title(str(model))
        axes.plot(places, row.to_numpy(dtype=float), label=title, markersize=4, color=color, marker=marker)
    names = [str(name).partition("/")[2] for name in ranks]
    axes.set_xticks(places, names, fontsize=5.5, color=MUTED)
    axes.set_xlim(-0.35, len(names) - 0.65)
    ranked = len(ranks.dropna())  # a model without a rank here keeps its color, without a line
    axes.set_ylim(ranked + 0.5, 0.5)
    axes.set_yticks(range(1, ranked + 1))
    axes.set_title(metric_title(metric))
    axes.grid(visible=False)
