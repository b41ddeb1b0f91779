"""Selection of gallery images, and their ranks among all evaluated images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from explainsal.reporting.run_folder import GalleryImage, Run

RANKED_BY = "cc"
SHOWN = 9


@dataclass(frozen=True, eq=False)
class RankedImage:
    """Gallery image with its rank among all images, by the deep model's correlation.

    Args:
        picture: Image with its maps.
        cc: The deep model's correlation with the ground truth; None if unknown.
        rank: Rank, 1 for the best image; None if unknown.
        of: Number of ranked images.
    """

    picture: GalleryImage
    cc: float | None = None
    rank: int | None = None
    of: int = 0

    @property
    def place(self) -> str:
        """``best``, ``median``, ``worst`` of all images, or ``rank r of n``; empty if unknown."""
        names = {1: "best", (self.of + 1) // 2: "median", self.of: "worst"}
        if self.rank is None:
            return ""
        return f"{names.get(self.rank, f'rank {self.rank}')} of {self.of}"


def ranked_gallery(run: Run) -> list[RankedImage]:
    """Return the gallery from the best image to the worst; unranked images come last, by id."""
    scores = _deep_scores(run)
    order = sorted(scores, key=lambda id: (-scores[id], id))
    ranks = {id: place for place, id in enumerate(order, start=1)}
    ranked = [
        RankedImage(picture, scores.get(picture.id), ranks.get(picture.id), len(order)) for picture in run.gallery
    ]
    return sorted(ranked, key=lambda image: (image.rank or len(order) + 1, image.picture.id))


def shown(images: Sequence[RankedImage], count: int = SHOWN) -> list[RankedImage]:
    """Select at most `count` images, spread evenly from the best to the worst, including both.

    Example:
        >>> shown(range(100), 3)
        [0, 50, 99]
    """
    if len(images) <= count:
        return list(images)
    if count == 1:
        return [images[0]]
    return [images[round(place * (len(images) - 1) / (count - 1))] for place in range(count)]


def median(images: Sequence[RankedImage]) -> RankedImage:
    """Return the middle image, a typical result of the model."""
    return images[(len(images) - 1) // 2]


def _deep_scores(run: Run) -> dict[str, float]:
    """Return the correlation by image id of the deep model; if there is none, of the first model."""
    table = run.per_image
    if table is None or RANKED_BY not in table or table.empty:
        return {}
    model = "deep" if (table["model"] == "deep").any() else table["model"].iloc[0]
    rows = table[table["model"] == model].dropna(subset=[RANKED_BY])
    return dict(zip(rows["id"].astype(str), rows[RANKED_BY].astype(float), strict=True))
