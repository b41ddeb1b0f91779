"""Figures of a sweep: parallel coordinates, heat maps of every two parameters, and the Pareto front."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import (
    COLUMN_WIDTH,
    INK,
    MUTED,
    PAGE_WIDTH,
    SERIES,
    USAGE_CMAP,
    new_figure,
)

FRONT = "front"  # column of a sweep's table that marks jobs on the Pareto front
_LEVELS, _BINS = 8, 5


@dataclass(frozen=True, eq=False)
class Levels:
    """Values of one parameter: names of the levels in ascending order, and every job's level as a number."""

    labels: list[str]
    places: np.ndarray

    @property
    def nearest(self) -> np.ndarray:
        """Level of every job as an integer."""
        return np.rint(self.places).astype(int)


def levels(values: pd.Series) -> Levels:
    """Return the levels of a parameter as written on the command line; many numbers are binned between the extremes."""
    text = values.fillna("default").astype(str)
    numbers = pd.to_numeric(text, errors="coerce")
    if numbers.notna().all():
        if numbers.nunique() > _LEVELS:
            low, high = float(numbers.min()), float(numbers.max())
            labels = [_number(value) for value in np.linspace(low, high, _BINS)]
            return Levels(labels, ((numbers - low) / (high - low) * (_BINS - 1)).to_numpy(float))
        ordered = text[numbers.sort_values(kind="stable").index]
    else:
        ordered = text.sort_values()
    labels = list(dict.fromkeys(ordered))
    return Levels(labels, text.map({label: i for i, label in enumerate(labels)}).to_numpy(float))


def parallel_figure(table: pd.DataFrame, parameters: Sequence[str], objectives: Mapping[str, str]) -> Figure:
    """Draw parameters and objectives as parallel axes, and a line per job, colored by the first objective.

    Jobs on the Pareto front have thicker lines. On every objective's axis, the better end is at the top.

    Args:
        table: Finished jobs: columns of `parameters`, `objectives` and `FRONT`.
        objectives: Measure -> ``"maximize"`` or ``"minimize"``.
    """
    figure = new_figure(PAGE_WIDTH, 2.9)
    axes = figure.add_subplot()
    columns, heights = [*parameters, *objectives], []
    for place, name in enumerate(columns):
        axes.axvline(place, color=MUTED, linewidth=0.6, zorder=1)
        if name in objectives:
            heights.append(_objective_axis(axes, place, table[name], objectives[name]))
        else:
            found = levels(table[name])
            scale = max(len(found.labels) - 1, 1)
            heights.append(found.places / scale)
            for i, label in enumerate(found.labels):
                _tick(axes, place, i / scale, label)
    colormap = mpl.colormaps[USAGE_CMAP]
    lines = np.stack(heights, axis=1)
    order = lines[:, len(parameters)]
    for i in np.argsort(order, kind="stable"):  # the best job is on top
        front = bool(table[FRONT].iloc[i])
        axes.plot(
            range(len(columns)), lines[i], color=colormap(0.92 * order[i]), linewidth=1.8 if front else 0.7,
            alpha=1 if front else 0.55, zorder=3 if front else 2,
        )  # fmt: skip
    size = 6.5 if len(columns) < 8 else 5.5
    axes.set_xticks(range(len(columns)), [_short(name, objectives) for name in columns], fontsize=size)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.3, len(columns) - 0.4)
    axes.set_ylim(-0.06, 1.06)
    axes.set_title(f"{len(table)} jobs; thick: on the Pareto front; color: {_short(next(iter(objectives)), {})}")
    return figure


def heat_map_figure(table: pd.DataFrame, parameters: Sequence[str], measure: str) -> Figure:
    """Draw the mean of a measure over the jobs for every two parameters; cells without a job are empty.

    Raises:
        ValueError: If fewer than two parameters were swept.
    """
    if len(parameters) < 2:
        raise ValueError("a heat map needs two swept parameters")
    found = {name: levels(table[name]) for name in parameters}
    side = len(parameters) - 1
    height = max(1.7, 1.25 * side)
    figure = new_figure(PAGE_WIDTH if side > 1 else COLUMN_WIDTH, height + 0.5)
    grid = figure.subplots(side, side, squeeze=False, sharex="col", sharey="row")
    cells = {pair: _cells(found[pair[0]], found[pair[1]], table[measure]) for pair in itertools.combinations(found, 2)}
    low = min(np.nanmin(values) for values in cells.values())
    high = max(np.nanmax(values) for values in cells.values())
    image = None
    for (row, y), (column, x) in itertools.product(enumerate(parameters[1:]), enumerate(parameters[:-1])):
        axes = grid[row, column]
        if column > row:
            axes.remove()
            continue
        values = cells[x, y]
        image = axes.imshow(values, cmap=USAGE_CMAP, vmin=low, vmax=high, origin="lower", aspect="auto")
        axes.grid(visible=False)
        if len(found[x].labels) * side <= 12:
            _write_values(axes, values, low, high)
        every = 1 if len(found[x].labels) * side <= 16 else 2  # reduces labels if they do not fit
        axes.set_xticks(range(0, len(found[x].labels), every), found[x].labels[::every])
        axes.set_yticks(range(len(found[y].labels)), found[y].labels)
        axes.tick_params(length=0, labelbottom=row == side - 1, labelleft=column == 0)
        if row == side - 1:
            axes.set_xlabel(_short(x, {}))
        if column == 0:
            axes.set_ylabel(_short(y, {}))
    assert image is not None
    figure.colorbar(image, ax=grid[np.tril_indices(side)].tolist(), shrink=0.7, label=_short(measure, {}))
    return figure


def front_figure(table: pd.DataFrame, objectives: Mapping[str, str]) -> Figure:
    """Draw every two objectives against each other; jobs on the Pareto front of all objectives are filled.

    Raises:
        ValueError: If there are fewer than two objectives.
    """
    pairs = list(itertools.combinations(objectives, 2))
    if not pairs:
        raise ValueError("a Pareto front needs two objectives")
    figure = new_figure(COLUMN_WIDTH if len(pairs) == 1 else PAGE_WIDTH, 2.3)
    front = table[FRONT].to_numpy(bool)
    for axes, (y, x) in zip(figure.subplots(1, len(pairs), squeeze=False)[0], pairs, strict=True):
        rest, best = table[~front], table[front]
        axes.plot(rest[x], rest[y], "o", markerfacecolor="none", color=MUTED, markersize=3.5, label="not on the front")
        axes.plot(best[x], best[y], "o", color=SERIES[0], markersize=4, label="Pareto front")
        axes.set_xlabel(_short(x, objectives))
        axes.set_ylabel(_short(y, objectives))
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)  # hides no job
    return figure


def _objective_axis(axes: Axes, place: int, values: pd.Series, way: str) -> np.ndarray:
    """Label one objective's axis, with the better end at the top, and return the jobs' heights on it."""
    low, high = float(values.min()), float(values.max())
    span = high - low or 1.0
    heights = ((values - low) / span).to_numpy(float)
    ends = (low, high) if way == "maximize" else (high, low)
    for height, value in zip((0, 1), ends, strict=True):
        _tick(axes, place, height, _number(value))
    return heights if way == "maximize" else 1 - heights


def _tick(axes: Axes, place: int, height: float, label: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.6}
    axes.text(place + 0.03, height, label, va="center", fontsize=6, color=INK, zorder=4, bbox=box)


def _cells(x: Levels, y: Levels, values: pd.Series) -> np.ndarray:
    """Return the means over the jobs of every pair of levels, shape ``(levels of y, levels of x)``."""
    total, count = np.zeros((2, len(y.labels), len(x.labels)))
    np.add.at(total, (y.nearest, x.nearest), values.to_numpy(float))
    np.add.at(count, (y.nearest, x.nearest), 1)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan)


def _write_values(axes: Axes, values: np.ndarray, low: float, high: float) -> None:
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            light = (value - low) / ((high - low) or 1) > 0.6
            axes.text(j, i, _number(value), ha="center", va="center", fontsize=6, color=INK if light else "white")


def _short(name: str, objectives: Mapping[str, str]) -> str:
    """Return a parameter's or measure's name in a figure, in two lines if it includes a group."""
    arrow = {"maximize": " ↑", "minimize": " ↓"}.get(objectives.get(name, ""), "")
    group, dot, key = name.removeprefix("+").rpartition(".")
    return (f"{group}{dot}\n{key}" if dot else textwrap.fill(name.replace("_", " "), 16)) + arrow


def _number(value: float) -> str:
    return f"{value:.3g}"
