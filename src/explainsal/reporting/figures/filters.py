"""Filter usage against depth: heat maps by wavelength, orientation and bandwidth, and the mean bandwidth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from explainsal.reporting.figures.style import COLUMN_WIDTH, MUTED, SERIES, USAGE_CMAP, horizontal_grid, new_figure
from explainsal.reporting.usage import FilterUsage, Trend

ROW_HEIGHT = 0.15  # inches
UNITS = {"wavelength": "px", "orientation": "°", "bandwidth": "octaves"}


def usage_figure(usage: FilterUsage, trend: Trend) -> Figure:
    """Draw the three heat maps and the mean bandwidth below each other, at column width."""
    tables = {name: getattr(usage, name) for name in UNITS}
    heights = [0.45 + 0.1 * len(table) for table in tables.values()] + [1.15]
    figure = new_figure(COLUMN_WIDTH, sum(heights) + 0.4)
    rows = figure.subplots(4, 1, height_ratios=heights, sharex=True)
    for axes, (name, table) in zip(rows[:3], tables.items(), strict=True):
        draw_usage(axes, table, name)
        axes.set_xlabel("")
    draw_bandwidth(rows[3], usage, trend)
    return figure


def usage_panel(usage: FilterUsage, name: str) -> Figure:
    """Draw one heat map: ``wavelength``, ``orientation`` or ``bandwidth``."""
    table = getattr(usage, name)
    figure, axes = _inset_figure(ROW_HEIGHT * len(table))
    draw_usage(axes, table, name)
    return figure


def bandwidth_panel(usage: FilterUsage, trend: Trend) -> Figure:
    """Draw the mean bandwidth of each layer."""
    figure, axes = _inset_figure(1.0)
    draw_bandwidth(axes, usage, trend)
    axes.set_xlim(usage.mean_bandwidth.index[0] - 0.5, usage.mean_bandwidth.index[-1] + 0.5)
    return figure


def _inset_figure(height: float) -> tuple[Figure, Axes]:
    """Create axes of the given height, in inches, with the same left and right edge in every panel."""
    total = height + 0.66
    figure = new_figure(COLUMN_WIDTH, total)
    figure.set_layout_engine("none")
    left, right = 0.62 / COLUMN_WIDTH, 3.0 / COLUMN_WIDTH
    return figure, figure.add_axes((left, 0.4 / total, right - left, height / total))


def draw_usage(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """Draw a heat map of the shares of the coefficients: a row per filter parameter, a column per layer."""
    layers = np.asarray(table.columns)
    edges = np.append(layers, layers[-1] + 1) - 0.5
    mesh = axes.pcolormesh(
        edges, np.arange(len(table) + 1) - 0.5, table.to_numpy(dtype=float), cmap=USAGE_CMAP, vmin=0, rasterized=True
    )
    axes.set_yticks(range(len(table)), [_row_label(row) for row in table.index], fontsize=6)
    axes.set_title(f"Share by {name} ({UNITS[name]})")
    axes.set_xlabel("layer, from the input on", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    bar = axes.figure.colorbar(mesh, cax=axes.inset_axes((1.02, 0.0, 0.025, 1.0)))
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))


def draw_bandwidth(axes: Axes, usage: FilterUsage, trend: Trend) -> None:
    """Draw the mean bandwidth against depth, with the means of the first and the last third of the layers."""
    mean = usage.mean_bandwidth
    axes.plot(mean.index, mean, color=SERIES[0], marker="o" if len(mean) < 30 else ".")
    third = max(1, len(mean) // 3)
    for index, value in ((mean.index[:third], trend.first), (mean.index[-third:], trend.last)):
        axes.hlines(value, index[0] - 0.4, index[-1] + 0.4, color=SERIES[1], linewidth=1)
    axes.set_title("Mean bandwidth (octaves)")
    known = not math.isnan(trend.rank_correlation)
    rank = f"rank correlation with depth {trend.rank_correlation:+.2f}".replace("-", "−") if known else "no trend"
    axes.text(0.02, 0.97, rank, transform=axes.transAxes, va="top", fontsize=6.5)
    axes.margins(y=0.15)
    axes.set_xlabel("layer, from the input on", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    horizontal_grid(axes)


def usage_text(usage: FilterUsage, name: str) -> str:
    """Return a sentence on the most used value at both ends of the network."""
    table = getattr(usage, name)
    first, last = table.columns[0], table.columns[-1]
    ends = [
        f"{_row_label(table[layer].idxmax())} {_unit(table[layer].idxmax(), name)}".strip() for layer in (first, last)
    ]
    return f"Most used {name}: {ends[0]} in the first layer, {ends[1]} in the last."


def trend_text(trend: Trend) -> str:
    """Return a sentence with numbers on whether the bandwidth grows with depth, as the paper claims."""
    if math.isnan(trend.rank_correlation) and trend.first == trend.last:
        return f"Every layer uses one bandwidth, {trend.first:.2f} octaves: these filters cannot show whether it grows."
    low, high = trend.image_range
    images = "" if low == high else f" (single images {low:+.2f} to {high:+.2f})"
    return (
        f"The mean bandwidth {trend.verdict} with depth: {trend.first:.2f} octaves in the first third of the layers, "
        f"{trend.last:.2f} in the last; rank correlation with depth {trend.rank_correlation:+.2f}"
        f"{images}."
    ).replace("-", "−")


def _unit(row: object, name: str) -> str:
    return "" if isinstance(row, str) else UNITS[name]


def _row_label(row: object) -> str:
    return f"{row:g}" if isinstance(row, float | int) else str(row)
