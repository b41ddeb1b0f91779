"""Pictures of a run's gallery, one row per image: photograph, ground truth, deep and explainable map, difference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from PIL import Image

from explainsal.explanation.per_layer import DESCRIPTION
from explainsal.models.saliency_model import DEEP
from explainsal.reporting.figures.strips import displayed
from explainsal.reporting.figures.style import DIFFERENCE_CMAP, SALIENCY_CMAP
from explainsal.reporting.gallery import RankedImage, ranked_gallery
from explainsal.reporting.run_folder import Run

SIDE = 320  # px; a row of five fits the width of a screen


@dataclass(frozen=True, eq=False)
class ImageRow:
    """Values and pictures of one image; the pictures are ``(h, w, 3)`` uint8, by column."""

    values: dict[str, Any]
    pictures: dict[str, np.ndarray]


def image_rows(run: Run) -> list[ImageRow]:
    """Return the rows of the gallery from the best image to the worst."""
    return [_row(ranked) for ranked in ranked_gallery(run)]


def _row(ranked: RankedImage) -> ImageRow:
    picture = ranked.picture
    pictures = {"image": shrunk(picture.image)}
    if picture.density is not None:
        pictures["ground truth"] = colored(displayed(picture.density))
    for name, values in picture.maps.items():
        pictures[name] = colored(displayed(values))
    deep = picture.maps.get(DEEP)
    for name, values in picture.maps.items():
        if deep is not None and name != DEEP:
            difference = displayed(values) - displayed(deep)
            pictures[f"{name} - {DEEP}"] = colored((difference + 1) / 2, DIFFERENCE_CMAP)
    remark = {DESCRIPTION: picture.description} if picture.description else {}
    return ImageRow({"id": picture.id, "place": ranked.place, "cc": ranked.cc, **remark}, pictures)


def colored(unit: np.ndarray, colormap: str = SALIENCY_CMAP) -> np.ndarray:
    """Color a map ``(H, W)`` in [0, 1] as figures do, and shrink it."""
    rgb = mpl.colormaps[colormap](np.clip(unit, 0, 1), bytes=True)[..., :3]
    return shrunk(np.asarray(rgb))


def shrunk(image: np.ndarray) -> np.ndarray:
    """Shrink a picture ``(H, W, 3)`` to a longer side of at most `SIDE`."""
    small = Image.fromarray(np.ascontiguousarray(image))
    small.thumbnail((SIDE, SIDE))
    return np.asarray(small)
