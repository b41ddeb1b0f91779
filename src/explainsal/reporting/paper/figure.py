"""A table's rows as points: printed values of the paper, and values measured here."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import INK, MUTED, PAGE_WIDTH, SERIES, new_figure
from explainsal.reporting.paper.table import METRICS, PaperTable, find_cell
from explainsal.reporting.results.titles import metric_title

_GAP = 0.9  # rows between two groups


def paper_table_figure(table: PaperTable) -> Figure:
    """Draw a panel per metric with a line per row: a filled point with its interval here, a hollow one in the paper."""
    lines, places = _lines(table)
    figure = new_figure(PAGE_WIDTH, 0.9 + 0.165 * (places[-1] if places else 1))
    panels = np.atleast_1d(figure.subplots(1, len(METRICS), sharey=True))
    for panel, metric in zip(panels, METRICS, strict=True):
        _panel(panel, table, metric, dict(zip(lines, places, strict=True)))
    titles = {str(row["model"]): str(row["title"]) for _, rows in table.groups() for row in rows}
    panels[0].set_yticks(places, [titles[model] for model in lines])
    panels[0].set_ylim((places[-1] if places else 0) + 0.7, -0.7)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2)
    return figure


def _lines(table: PaperTable) -> tuple[list[str], list[float]]:
    """Return the model and height of every line, for the rows with a number here or in the paper."""
    lines, places, place = [], [], 0.0
    for _, rows in table.groups():
        shown = [row for row in rows if any(_numbers(row))]
        for row in shown:
            lines.append(str(row["model"]))
            places.append(place)
            place += 1
        place += _GAP if shown else 0
    return lines, places


def _numbers(row: Mapping[Hashable, object]) -> list[bool]:
    """Return which numbers a row has."""
    return [find_cell(row, m) is not None or not math.isnan(float(str(row[f"{m}_paper"]))) for m in METRICS]


def _panel(axes: Axes, table: PaperTable, metric: str, places: dict[str, float]) -> None:
    rows = [row for _, group in table.groups() for row in group if row["model"] in places]
    cells = [(places[str(row["model"])], cell) for row in rows if (cell := find_cell(row, metric)) is not None]
    printed = [(places[str(row["model"])], float(str(row[f"{metric}_paper"]))) for row in rows]
    reference = next(
        (c.mean for r in rows if r["model"] == table.about.reference and (c := find_cell(r, metric))), None
    )
    if reference is not None:
        axes.axvline(reference, color=SERIES[0], linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    if cells:
        ys, means = [y for y, _ in cells], np.array([c.mean for _, c in cells])
        spread = np.nan_to_num([means - [c.low for _, c in cells], [c.high for _, c in cells] - means])
        axes.errorbar(means, ys, xerr=spread, fmt="o", color=SERIES[0], elinewidth=1, markersize=3.2,
                      label=f"measured here: {table.about.caption}")  # fmt: skip
    axes.plot([v for _, v in printed], [y for y, _ in printed], "D", markersize=3.4, markerfacecolor="none",
              markeredgecolor=SERIES[1] if table.about.comparable else MUTED,
              label=f"paper, {table.about.source}: {table.about.paper_data}")  # fmt: skip
    axes.set_title(metric_title(metric), color=INK)
    axes.tick_params(axis="y", length=0)
