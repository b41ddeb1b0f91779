"""Composition of a standalone model's maps: parts for one image, and shares over all images."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.strips import displayed
from explainsal.reporting.figures.style import (
    COLUMN_WIDTH,
    DIFFERENCE_CMAP,
    INK,
    MUTED,
    PAGE_WIDTH,
    SALIENCY_CMAP,
    SERIES,
    horizontal_grid,
    new_figure,
)

PANELS = {"source": "Source", "wavelength": "Wavelength or blur, px", "orientation": "Orientation"}
STRONGEST = 4
PARTS = "parts"  # files of `parts_figure`: parts_IMAGE.png


def shares(attribution: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return each part's share of the variation of the saliency map: columns mean, min and max over the images.

    Args:
        attribution: Columns by, part and variation, as written by ``explain``.
        by: Property by which parts are grouped. Numbers (px, degrees) come first in ascending order, then blurs in the
            order of their sigma, then other parts in the order of their mean.

    Example:
        >>> rows = [("source", "center", 0.75), ("source", "input/luminance", 0.25), ("part", "even", 1.0)]
        >>> shares(pd.DataFrame(rows, columns=["by", "part", "variation"]), "source")["mean"].to_dict()
        {'center': 0.75, 'input/luminance': 0.25}
    """
    table = attribution[(attribution["by"] == by) & (attribution["part"] != "constant")]
    grouped = table.groupby("part")["variation"].agg(["mean", "min", "max"]).sort_values("mean", ascending=False)
    return grouped.loc[sorted(grouped.index, key=_order)]


def attribution_figure(attribution: pd.DataFrame, width: float = 2 * COLUMN_WIDTH) -> Figure:
    """Draw shares by source, wavelength and orientation; bars are means, lines span all images."""
    figure = new_figure(width, 2.6)
    axes = figure.subplots(1, 3, width_ratios=(1.4, 1, 1.2))
    for one, (by, title) in zip(axes, PANELS.items(), strict=True):
        _bars(one, shares(attribution, by), by, title)
    axes[0].set_ylabel("share of the variation", color=MUTED)
    return figure


def attribution_text(attribution: pd.DataFrame) -> str:
    """Return a sentence on the first panel."""
    parts = shares(attribution, "source").sort_values("mean", ascending=False)["mean"]
    named = ", ".join(f"{share:.0%} from {name}" for name, share in parts.head(STRONGEST).items())
    images = attribution["image"].nunique()
    return f"Of the maps’ variation, {named} (mean over {images} image{'s' if images > 1 else ''})."


def parts_figure(image: np.ndarray, saliency: np.ndarray, parts: Mapping[str, np.ndarray]) -> Figure:
    """Draw an image, its saliency map, and the parts with most of its variation: red increases it, blue decreases it.

    Args:
        image: Shape ``(H, W, 3)``, RGB.
        saliency: Shape ``(h, w)``, the sum of all parts.
        parts: Maps ``(h, w)`` by name.
    """
    weight = {name: _variation(part, saliency) for name, part in parts.items()}
    strongest = sorted(weight, key=lambda name: -abs(weight[name]))[:STRONGEST]
    rest = sum((part for name, part in parts.items() if name not in strongest), start=np.zeros_like(saliency))
    shown = {f"{name}\n{weight[name]:.0%}": parts[name] for name in strongest}
    shown[f"all others\n{1 - sum(weight[name] for name in strongest):.0%}"] = rest
    centered = {title: part - part.mean() for title, part in shown.items()}
    limit = max(float(np.abs(part).max()) for part in centered.values()) or 1.0
    columns = 2 + len(shown)
    figure = new_figure(PAGE_WIDTH, PAGE_WIDTH / columns * image.shape[0] / image.shape[1] + 0.3)
    axes = figure.subplots(1, columns)
    axes[0].imshow(image)
    axes[1].imshow(displayed(saliency), cmap=SALIENCY_CMAP, vmin=0, vmax=1)
    for one, part in zip(axes[2:], centered.values(), strict=True):
        one.imshow(part, cmap=DIFFERENCE_CMAP, vmin=-limit, vmax=limit)
    for one, title in zip(axes, ("image", "saliency map", *shown), strict=True):
        one.set_title(title, fontsize=6, loc="center", fontweight="normal")
        one.set_axis_off()
    return figure


def _variation(part: np.ndarray, whole: np.ndarray) -> float:
    centered = whole - whole.mean()
    return float(((part - part.mean()) * centered).sum() / (centered**2).sum()) if centered.any() else 0.0


def _number(part: str) -> float:
    try:
        return float(part)
    except ValueError:
        return math.inf


def _order(part: str) -> tuple[bool, float]:
    return not math.isfinite(_number(part)), _number(part.removeprefix("blur "))


def _label(part: str, by: str) -> str:
    if not math.isfinite(_number(part)):
        return part
    return f"{part}°" if by == "orientation" else f"{_number(part):.3g}"


def _bars(axes: Axes, table: pd.DataFrame, by: str, title: str) -> None:
    places = np.arange(len(table))
    axes.bar(places, table["mean"], color=SERIES[0], width=0.7)
    axes.vlines(places, table["min"], table["max"], color=INK, linewidth=0.8)
    labels = [_label(str(part), by) for part in table.index]
    upright = len(table) > 10 and by != "source"
    axes.set_xticks(places, labels, rotation=90 if upright else 40, ha="center" if upright else "right", fontsize=6)
    axes.axhline(0, color=MUTED, linewidth=0.5)
    axes.set_title(title)
    horizontal_grid(axes)
