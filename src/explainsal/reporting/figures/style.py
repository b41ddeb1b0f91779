"""How every figure looks, and the ways it leaves the program: PNG and PDF files, or SVG that follows a page's theme."""

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
from matplotlib.figure import Figure

COLUMN_WIDTH = 3.5  # inches: one column of a two-column paper
PAGE_WIDTH = 7.16  # both columns
INK, MUTED, GRID, PAPER = "#1f2429", "#69727c", "#dfe3e7", "#fefefd"
# Okabe and Ito's colours, told apart by every kind of colour vision; the order is the order of use.
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
MARKERS = ("o", "s", "^", "D", "v", "P")
SALIENCY_CMAP = "magma"  # perceptually uniform, and black where nothing is salient
USAGE_CMAP = "viridis"
DIFFERENCE_CMAP = "RdBu_r"  # white at no difference; red and blue are told apart by every kind of colour vision

# A page may draw the same figure on a dark ground: these colours become CSS variables there.
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
    "svg.hashsalt": "explainsal",  # the same figure is the same file
}


@contextmanager
def styled() -> Iterator[None]:
    """Within the block, new figures have our style."""
    with mpl.rc_context(RC):
        yield


def new_figure(width: float = COLUMN_WIDTH, height: float = 2.2) -> Figure:
    """An empty figure, in inches, that no pyplot state knows of."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def horizontal_grid(axes: Axes) -> None:
    """Keep only the lines that help to read off a value."""
    axes.grid(visible=False, axis="x")


def save_figure(figure: Figure, folder: Path, name: str) -> list[Path]:
    """Write ``name.png`` and ``name.pdf``, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png", folder / f"{name}.pdf"]
    # Without its date a PDF of the same numbers is the same file.
    figure.savefig(paths[0])
    figure.set_layout_engine("none")  # what was just laid out stays as it is: a fifth of the time
    figure.savefig(paths[1], metadata={"CreationDate": None})
    return paths


def themed_svg(figure: Figure, name: str, title: str, description: str = "") -> str:
    """The figure as an ``<svg>`` element for a page that defines our CSS variables.

    Args:
        figure: Drawn inside `styled`.
        name: Unique on the page, of letters, digits and hyphens: the ids of the figure's parts begin with it.
        title: What a screen reader calls the figure.
        description: What there is to see in it.
    """
    text = StringIO()
    figure.savefig(text, format="svg", facecolor="none", metadata={"Date": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"#([\w-]+)[\")]", svg))
    svg = re.sub(r' id="([^"]+)"', lambda match: f' id="{name}-{match[1]}"' if match[1] in used else "", svg)
    svg = re.sub(r'(href="|url\()#([\w-]+)', rf"\g<1>#{name}-\g<2>", svg)
    svg = re.sub(
        r' d="[^"]+"', lambda path: re.sub(r"(\.\d\d)\d+", r"\1", path[0]), svg
    )  # a hundredth of a point will do
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
