"""Filter usage against depth: heat maps by wavelength, orientation and bandwidth, and the mean bandwidth."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from explainsal.reporting.figures.style import COLUMN_WIDTH, MUTED, SERIES, USAGE_CMAP, horizontal_grid, new_figure
from explainsal.reporting.usage import FilterUsage, Trend

UNITS = {"wavelength": "px", "orientation": "°", "bandwidth": "octaves"}


def usage_figure(usage: FilterUsage, trend: Trend) -> Figure:
    """The three heat maps and the mean bandwidth, one below the other, at column width."""
    tables = {name: getattr(usage, name) for name in UNITS}
    heights = [0.45 + 0.11 * len(table) for table in tables.values()] + [1.15]
    figure = new_figure(COLUMN_WIDTH, sum(heights) + 0.4)
    rows = figure.subplots(4, 1, height_ratios=heights, sharex=True)
    for axes, (name, table) in zip(rows[:3], tables.items(), strict=True):
        draw_usage(axes, table, name)
        axes.set_xlabel("")
    draw_bandwidth(rows[3], usage, trend)
    return figure


def usage_panel(usage: FilterUsage, name: str) -> Figure:
    """One heat map: ``wavelength``, ``orientation`` or ``bandwidth``."""
    table = getattr(usage, name)
    figure = new_figure(COLUMN_WIDTH, 0.75 + 0.115 * len(table))
    draw_usage(figure.subplots(), table, name)
    return figure


def bandwidth_panel(usage: FilterUsage, trend: Trend) -> Figure:
    """The mean bandwidth of each layer."""
    figure = new_figure(COLUMN_WIDTH, 1.6)
    draw_bandwidth(figure.subplots(), usage, trend)
    return figure


def draw_usage(axes: Axes, table: pd.DataFrame, name: str) -> None:
    """A heat map with a row per filter parameter and a column per layer, its colour the share of the coefficients."""
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
    bar = axes.figure.colorbar(mesh, ax=axes, pad=0.02, aspect=12, fraction=0.06)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_locator(MaxNLocator(3))


def draw_bandwidth(axes: Axes, usage: FilterUsage, trend: Trend) -> None:
    """The mean bandwidth against depth, with the means of the first and the last third of the layers."""
    mean = usage.mean_bandwidth
    axes.plot(mean.index, mean, color=SERIES[0], marker="o" if len(mean) < 30 else ".")
    third = max(1, len(mean) // 3)
    for index, value in ((mean.index[:third], trend.first), (mean.index[-third:], trend.last)):
        axes.hlines(value, index[0] - 0.4, index[-1] + 0.4, color=SERIES[1], linewidth=1)
    rank = f"{trend.rank_correlation:+.2f}".replace("-", "−")
    axes.set_title(f"Mean bandwidth (octaves); rank correlation {rank}")
    axes.set_xlabel("layer, from the input on", color=MUTED)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    horizontal_grid(axes)


def usage_text(usage: FilterUsage, name: str) -> str:
    """What the heat map says at both ends of the network."""
    table = getattr(usage, name)
    first, last = table.columns[0], table.columns[-1]
    ends = [
        f"{_row_label(table[layer].idxmax())} {_unit(table[layer].idxmax(), name)}".strip() for layer in (first, last)
    ]
    return f"Most used {name}: {ends[0]} in the first layer, {ends[1]} in the last."


def trend_text(trend: Trend) -> str:
    """The verdict on the paper's claim, with its numbers."""
    low, high = trend.image_range
    return (
        f"The mean bandwidth {trend.verdict} with depth: {trend.first:.2f} octaves in the first third of the layers, "
        f"{trend.last:.2f} in the last; rank correlation with depth {trend.rank_correlation:+.2f} "
        f"(single images {low:+.2f} to {high:+.2f})."
    ).replace("-", "−")


def _unit(row: object, name: str) -> str:
    return "" if isinstance(row, str) else UNITS[name]


def _row_label(row: object) -> str:
    return f"{row:g}" if isinstance(row, float | int) else str(row)
