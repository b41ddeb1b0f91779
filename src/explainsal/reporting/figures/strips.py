"""Picture strips, one row per image: image, ground truth with fixations, and the map of every model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from explainsal.reporting.figures.style import COLUMN_WIDTH, PAGE_WIDTH, SALIENCY_CMAP, new_figure
from explainsal.reporting.results.titles import model_title
from explainsal.reporting.run_folder import GalleryImage

DOT: dict[str, Any] = {"s": 1.2, "color": "white", "edgecolors": "black", "linewidths": 0.2}


def strips_figure(images: Sequence[GalleryImage], labels: Sequence[str] = ()) -> Figure:
    """Draw a row per image, with a column per available map. More than four columns use the width of a page.

    Args:
        images: At least one image.
        labels: Labels to the left of the rows; empty for none.

    Raises:
        ValueError: If there are no images.
    """
    if not images:
        raise ValueError("this run has no pictures to draw")
    models = list(dict.fromkeys(name for image in images for name in image.maps))
    truth = any(image.density is not None for image in images)
    columns = 1 + truth + len(models)
    aspect = images[0].image.shape[0] / images[0].image.shape[1]
    width = COLUMN_WIDTH if columns <= 4 else PAGE_WIDTH
    figure = new_figure(width, width / columns * aspect * len(images) + 0.3)
    rows = figure.subplots(len(images), columns, squeeze=False)
    for row, image, label in zip(rows, images, labels or [""] * len(images), strict=True):
        _draw_strip(row, image, models, truth)
        row[0].set_ylabel(label, fontsize=6)
    titles = ["image", *(["ground truth"] if truth else []), *(model_title(name).lower() for name in models)]
    for axes, title in zip(rows[0], titles, strict=True):
        axes.set_title(title.replace(", ", "\n"), fontsize=6, loc="center", fontweight="normal")
    return figure


def _draw_strip(row: Sequence[Axes], image: GalleryImage, models: Sequence[str], truth: bool) -> None:
    row[0].imshow(image.image)
    maps: list[np.ndarray | None] = [image.density] if truth else []
    maps += [image.maps.get(name) for name in models]
    for axes, values in zip(row[1:], maps, strict=True):
        if values is not None:
            axes.imshow(displayed(values), cmap=SALIENCY_CMAP, vmin=0, vmax=1)
    if truth and image.fixations is not None:
        # imshow has the center of pixel i at i; in this project it is at i + 0.5
        row[1].scatter(image.fixations[:, 0] - 0.5, image.fixations[:, 1] - 0.5, **DOT)
    for axes in row:
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)


def displayed(saliency_map: np.ndarray) -> np.ndarray:
    """Scale a map for display: clamp negative values to 0, then stretch the map to [0, 1].

    A constant map becomes 0.

    Example:
        >>> displayed(np.array([[-1.0, 2.0], [4.0, 0.0]]))
        array([[0. , 0.5],
               [1. , 0. ]])
    """
    positive = np.nan_to_num(np.maximum(saliency_map, 0.0))
    low, high = positive.min(initial=np.inf), positive.max(initial=0.0)
    return (positive - low) / (high - low) if high > low else np.zeros_like(positive)
