"""Findings of the data-set check as a page with pictures: ``doctor.html`` and ``doctor.png``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.data.doctor.examine import Diagnosis, SplitStatistics
from explainsal.reporting.figures.style import MUTED, SALIENCY_CMAP, SERIES, horizontal_grid, new_figure, styled
from explainsal.reporting.pictures import figure_uri

SHOWN = 40  # maximum number of names per finding on the page
BINS = 24


def write_doctor(folder: Path, title: str, diagnosis: Diagnosis) -> Path:
    """Write ``doctor.html`` and its figure ``doctor.png`` into a folder; return the page's path.

    Args:
        folder: Folder of the files; created if necessary.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with styled():
        figure = doctor_figure(diagnosis)
        figure.savefig(folder / "doctor.png", dpi=160)
        picture = figure_uri(figure)
    templates = Environment(
        loader=PackageLoader("explainsal.reporting"), autoescape=True, trim_blocks=True, undefined=StrictUndefined
    )
    page = templates.get_template("doctor.html").render(
        title=title, findings=diagnosis.findings, splits=diagnosis.splits, picture=picture, shown=SHOWN
    )
    path = folder / "doctor.html"
    path.write_text(page, encoding="utf-8", errors="backslashreplace")  # names may not be valid UTF-8
    return path


def doctor_figure(diagnosis: Diagnosis) -> Figure:
    """Draw a row per split: fixations per image, their distribution, and the agreement of densities with fixations.

    It must be called within `styled`.
    """
    rows = max(1, len(diagnosis.splits))
    figure = new_figure(7.16, 1.75 * rows)
    grid = figure.subplots(rows, 3, squeeze=False)
    for axes, split in zip(grid, diagnosis.splits, strict=False):
        _draw_counts(axes[0], split)
        _draw_center_bias(axes[1], split)
        _draw_nss(axes[2], split)
    return figure


def _draw_counts(axes: Axes, split: SplitStatistics) -> None:
    axes.set_title(f"{split.split}: fixations per image")
    if split.counts is None:
        _nothing(axes, "no fixations")
        return
    axes.hist(split.counts, bins=BINS, range=(0, 1.1 * max(1, split.counts.max())), color=SERIES[0])
    axes.axvline(float(np.median(split.counts)), color=SERIES[1], linewidth=0.9)
    axes.set_xlim(left=0)
    axes.set_ylabel("images")
    axes.set_xlabel(
        f"fixations (median {np.median(split.counts):.0f}, range {split.counts.min()}-{split.counts.max()})"
    )
    horizontal_grid(axes)


def _draw_center_bias(axes: Axes, split: SplitStatistics) -> None:
    axes.set_title("distribution of fixations, all images")
    if split.center_bias is None:
        _nothing(axes, "no fixations inside the images")
        return
    axes.imshow(split.center_bias, cmap=SALIENCY_CMAP, extent=(0, 1, 1, 0), aspect="auto", interpolation="nearest")
    axes.set_xticks([0, 0.5, 1], ["left", "middle", "right"])
    axes.set_yticks([0, 0.5, 1], ["top", "middle", "bottom"])
    axes.grid(visible=False)


def _draw_nss(axes: Axes, split: SplitStatistics) -> None:
    axes.set_title("densities at their own fixations")
    known = split.nss[~np.isnan(split.nss)]
    if not len(known):
        _nothing(axes, "no published densities")
        return
    axes.hist(known, bins=BINS, color=SERIES[2])
    axes.set_xlabel(f"NSS (median {np.median(known):.2f})")
    axes.set_ylabel("images")
    horizontal_grid(axes)


def _nothing(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, ha="center", va="center", color=MUTED, transform=axes.transAxes)
    axes.set_xticks([])
    axes.set_yticks([])
