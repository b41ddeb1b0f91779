"""Training curves: the loss of training and validation, and each validation metric, against the epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from explainsal.reporting.figures.style import COLUMN_WIDTH, INK, MUTED, SERIES, horizontal_grid, new_figure
from explainsal.reporting.results.titles import higher_is_better, metric_order, metric_title, number


@dataclass(frozen=True, eq=False)
class Panel:
    """Panel of a figure.

    Args:
        text: Its content as a sentence with numbers, for readers who cannot see it.
        draw: Function that draws it.
    """

    title: str
    text: str
    draw: Callable[[Axes], None]


def training_panels(training: pd.DataFrame) -> list[Panel]:
    """Return the loss panel and a panel per validation metric; empty if nothing was logged yet.

    Args:
        training: Lightning's ``metrics.csv``: columns epoch, ``train/...``, ``val/...``; NaN marks missing values.
    """
    train, val = (_by_epoch(training, f"{kind}/loss") for kind in ("train", "val"))
    logged = [name.removeprefix("val/") for name in map(str, training.columns) if name.startswith("val/")]
    metrics = sorted((name for name in logged if name != "loss"), key=metric_order)
    panels = [] if train.empty and val.empty else [_loss_panel(train, val)]
    return panels + [_metric_panel(name, _by_epoch(training, f"val/{name}")) for name in metrics]


def curves_figure(training: pd.DataFrame) -> Figure:
    """Draw all panels in two columns, at column width.

    Raises:
        ValueError: If nothing was logged yet.
    """
    panels = training_panels(training)
    if not panels:
        raise ValueError("no epoch of this run is complete: metrics.csv has no loss yet")
    rows = (len(panels) + 1) // 2
    figure = new_figure(COLUMN_WIDTH, 1.35 * rows)
    for axes, panel in zip(figure.subplots(rows, 2, squeeze=False).flat, panels, strict=False):
        panel.draw(axes)
    for axes in figure.axes[len(panels) :]:
        axes.remove()
    return figure


def _by_epoch(training: pd.DataFrame, column: str) -> pd.Series:
    """Return the mean of a column in each epoch; the loss may have been logged at many steps."""
    if column not in training:
        return pd.Series(dtype=float)
    return training.dropna(subset=[column]).groupby("epoch")[column].mean()


def _loss_panel(train: pd.Series, val: pd.Series) -> Panel:
    def draw(axes: Axes) -> None:
        for series, label, color in ((train, "training", SERIES[1]), (val, "validation", SERIES[0])):
            if not series.empty:
                axes.plot(series.index, series, color=color, label=label, marker="o" if len(series) < 20 else None)
        axes.legend()
        _finish(axes, "Loss")

    ends = [
        f"{label} from {number(series.iloc[0])} to {number(series.iloc[-1])}"
        for label, series in (("training", train), ("validation", val))
        if not series.empty
    ]
    return Panel("Loss", f"Loss: {', '.join(ends)}.", draw)


def _metric_panel(metric: str, values: pd.Series) -> Panel:
    title = metric_title(metric)
    values = values.dropna()
    if values.empty:
        return Panel(title, f"{title}: no defined value.", lambda axes: _finish(axes, title))
    best = int(np.asarray(values.index)[values.argmax() if higher_is_better(metric) else values.argmin()])

    def draw(axes: Axes) -> None:
        axes.plot(values.index, values, color=SERIES[0], marker="o" if len(values) < 20 else None)
        axes.plot([best], [values[best]], "o", color=INK, markersize=4, zorder=3)
        axes.annotate(
            number(values[best]),
            (best, values[best]),
            xytext=(0, 5),
            textcoords="offset points",
            ha="center",
            color=INK,
        )
        axes.margins(y=0.2)
        _finish(axes, f"{title}, validation")

    return Panel(title, f"Validation {title}: best {number(values[best])} in epoch {best}.", draw)


def _finish(axes: Axes, title: str) -> None:
    axes.set_title(title)
    axes.set_xlabel("epoch", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    first, last = axes.dataLim.intervalx
    if first == last:  # a single epoch: show its number alone on the axis
        axes.set_xlim(first - 0.5, last + 0.5)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    horizontal_grid(axes)
