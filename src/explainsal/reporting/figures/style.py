"""Common style of figures, and their output: PNG and PDF files, or SVG that follows a page's theme."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

COLUMN_WIDTH = 3.5  # inches: one column of a two-column paper
PAGE_WIDTH = 7.16  # both columns
INK, MUTED, GRID, PAPER = "#1f2429", "#69727c", "#dfe3e7", "#fefefd"
# Okabe and Ito's colors, distinguishable with any color vision; they are used in this order.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
SALIENCY_CMAP = "magma"  # perceptually uniform, and black for no saliency
USAGE_CMAP = "viridis"
DIFFERENCE_CMAP = "RdBu_r"  # white for no difference; red and blue are distinguishable with any color vision

# For figures on a dark page these colors become CSS variables.
CSS_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--rule)",
    PAPER: "var(--paper)",
    **{color: f"var(--series-{i})" for i, color in enumerate(SERIES)},
}

RC: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.facecolor": "none",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.5,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "legend.frameon": False,
    "legend.fontsize": 6.5,
    "legend.handlelength": 1.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 2.6,
    "figure.facecolor": PAPER,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "explainsal",  # the same figure gives the same file
}


@contextmanager
def styled() -> Iterator[None]:
    """Apply our style to new figures within the block."""
    with mpl.rc_context(RC):
        yield


def new_figure(width: float = COLUMN_WIDTH, height: float = 2.2) -> Figure:
    """Create an empty figure, in inches, outside of pyplot's state."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def horizontal_grid(axes: Axes) -> None:
    """Keep only the horizontal grid lines."""
    axes.grid(visible=False, axis="x")


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.png`` and ``name.pdf``, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    figure.savefig(paths[0])
    figure.set_layout_engine("none")  # reuses the computed layout, which takes a fifth of the time
    figure.savefig(paths[1], metadata={"CreationDate": None})  # without a date, equal figures are equal files
    return paths


def themed_svg(figure: Figure, name: str, title: str, description: str = "") -> str:
    """Return the figure as an ``<svg>`` element for a page that defines our CSS variables.

    Args:
        figure: Figure drawn inside `styled`.
        name: Unique name on the page, of letters, digits and hyphens; prefix of the ids in the figure.
        title: Name of the figure for screen readers.
        description: Content of the figure for screen readers.
    """
    text = StringIO()
    figure.set_facecolor("none")
    figure.dpi = mpl.rcParams["savefig.dpi"]
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None})  # `savefig` would draw everything twice
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)[\")]", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#([\w-]+)', rf"\g<1>#{name}-\g<2>", svg)
    svg = re.sub(
        r' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg
    )  # hundredths of a point are precise enough
    for color, variable in CSS_VARIABLES.items():
        svg = svg.replace(color, variable)
    label = f"{title}. {description}".strip().replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    width = figure.get_figwidth() * 72
    return re.sub(
        r'<svg[^>]*viewBox="([^"]*)"[^>]*>',
        rf'<svg viewBox="\1" role="img" aria-label="{label}" style="--width:{width:.0f}">',
        svg,
        count=1,
    )
