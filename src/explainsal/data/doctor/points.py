"""Checks of fixations: coordinates, units, repetitions and numbers; none needs a picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.doctor.finding import Finding, finding

ENOUGH = 20  # fixations from which on a distribution says something
SWAPPED, FOREIGN = 0.02, 0.3  # fractions outside the image that speak of swapped axes, of other coordinates
UNIT, SMALL = 1.5, 0.15  # coordinates of at most 1.5, or within 15 % of the sides: fractions of a side, degrees
BORDER, REPEATED = 0.05, 0.2  # fractions of fixations in the outermost pixels, of repeated ones
FEW = 5.0  # times fewer or more fixations than the median image
CENTRE = (0.25, 0.75)  # where the mean fixation lies, as a fraction of each side


@dataclass(frozen=True, eq=False)
class Points:
    """All fixations of a split.

    Args:
        split: Its name.
        ids: One per image.
        images: One ``(N_i, 2)`` array of (x, y) per image.
        observers: One ``(N_i,)`` array per image.
        sizes: Shape ``(n, 2)``: width and height of every image.
        xy: Shape ``(N, 2)``: all of them.
        limits: Shape ``(N, 2)``: width and height of each one's image.
        image: Shape ``(N,)``: number of each one's image.
    """

    split: str
    ids: tuple[str, ...]
    images: list[np.ndarray]
    observers: list[np.ndarray]
    sizes: np.ndarray
    xy: np.ndarray
    limits: np.ndarray
    image: np.ndarray

    @classmethod
    def of(cls, dataset: SaliencyDataset) -> Points:
        """The fixations of a data set that was read with ``outside="keep"``."""
        images, sizes = dataset.all_fixations()
        counts = [len(points) for points in images]
        number = np.repeat(np.arange(len(images)), counts)
        widths = np.array(sizes, dtype=np.float64).reshape(-1, 2)[:, ::-1]
        xy = np.concatenate([*images, np.zeros((0, 2))])
        return cls(dataset.split, dataset.ids, images, dataset.observers(), widths, xy, widths[number], number)

    def without(self, left_out: Collection[str]) -> Points:
        """The fixations of all images but some."""
        keep = [i for i, name in enumerate(self.ids) if name not in left_out]
        rows = np.isin(self.image, keep)
        images, observers = [self.images[i] for i in keep], [self.observers[i] for i in keep]
        ids, number = tuple(self.ids[i] for i in keep), np.repeat(np.arange(len(keep)), [len(xy) for xy in images])
        return Points(self.split, ids, images, observers, self.sizes[keep], self.xy[rows], self.limits[rows], number)

    def outside(self, xy: np.ndarray | None = None) -> np.ndarray:
        """Which fixations miss their image; what is not a number does not count."""
        xy = self.xy if xy is None else xy
        return np.asarray(((xy < 0) | (xy >= self.limits)).any(axis=1))

    def names(self, rows: np.ndarray) -> list[str]:
        """Ids of the images of some fixations, each once."""
        return [self.ids[i] for i in np.unique(self.image[rows])]


Check = Callable[[Points], list[Finding]]


def check_turned(points: Points, turned: Collection[str]) -> list[Finding]:
    """Whether the fixations of pictures with a tag for a quarter turn are those of the turned pictures.

    Args:
        points: Of one split.
        turned: Ids of the pictures with such a tag.
    """
    others = [name for name in points.ids if name not in turned]
    tagged = points.without(others)
    if not len(tagged.xy) or tagged.outside().mean() <= SWAPPED:
        return []
    text = (
        "the fixations of {n} images fit the picture as its EXIF tag turns it, not as it is stored and read here: "
        "save these pictures upright, without the tag"
    )
    return finding("rotated", points.split, text, list(tagged.ids))


def check_points(points: Points) -> list[Finding]:
    """Everything that can be said of the fixations of one split."""
    found = [item for check in (_not_a_number, _empty) for item in check(points)]
    if len(points.xy) >= ENOUGH:
        coordinates = [*_coordinates(points), *_units(points)][:1]
        wrong = any(item.kind in ("swapped axes", "wrong units") for item in coordinates)
        found += coordinates + [item for check in CHECKS if not wrong or check in ANYHOW for item in check(points)]
    return found


def _not_a_number(points: Points) -> list[Finding]:
    rows = np.isnan(points.xy).any(axis=1)
    text = f"{int(rows.sum())} coordinates of {{n}} images are not a number: data.outside=drop leaves them out"
    return finding("not a number", points.split, text, points.names(rows))


def _empty(points: Points) -> list[Finding]:
    empty = [points.ids[i] for i, p in enumerate(points.images) if not len(p)]
    return finding("empty image", points.split, "{n} images have no fixation: no metric counts them", empty)


def _coordinates(points: Points) -> list[Finding]:
    """Outside of the image, for the most telling of the reasons that there can be."""
    rows = points.outside()
    share = rows.mean()
    if share == 0:
        return []
    if share > SWAPPED and points.outside(points.xy[:, ::-1]).mean() < share / 4:
        text = f"{share:.0%} of the fixations lie outside, far fewer with x and y exchanged: they are (y, x)"
        return [Finding("swapped axes", points.split, text)]
    if _is_one_based(points, rows):
        text = f"whole numbers from 1 to the size of the image ({int(rows.sum())} reach it): subtract 1 or 0.5"
        return [Finding("one-based", points.split, text)]
    if share > FOREIGN:
        text = f"{share:.0%} of the fixations lie outside: coordinates of a screen, or of pictures of another size?"
        return [Finding("wrong units", points.split, text)]
    text = f"{int(rows.sum())} of {len(rows):,} fixations in {{n}} images lie outside: data.outside=drop or clip"
    return finding("out of image", points.split, text, points.names(rows))


def _is_one_based(points: Points, outside: np.ndarray) -> bool:
    """Whole pixels, perhaps moved to their middles by the reader, from 1 to the size and no further."""
    whole = np.floor(points.xy)
    if len(np.unique(points.xy - whole)) != 1 or whole.min() < 1:
        return False
    return bool((whole <= points.limits).all() and (whole == points.limits).any(axis=1)[outside].all())


def _units(points: Points) -> list[Finding]:
    largest = float(np.nanmax(np.abs(points.xy)))
    if largest <= UNIT:
        text = f"no coordinate exceeds {largest:.2f}: fractions of the sides, not pixels"
        return [Finding("wrong units", points.split, text)]
    if float(np.nanpercentile(np.abs(points.xy) / points.limits, 99)) < SMALL:
        text = f"99 % of the fixations lie in the first {SMALL:.0%} of the sides: degrees or metres, not pixels?"
        return [Finding("wrong units", points.split, text)]
    return []


def _clipped(points: Points) -> list[Finding]:
    share = ((np.floor(points.xy) <= 0) | (np.floor(points.xy) >= points.limits - 1)).any(axis=1)
    share = float((share & ~points.outside()).mean())
    if share < BORDER:
        return []
    text = f"{share:.0%} of the fixations lie in the outermost pixels: points outside were moved to the edge"
    return [Finding("clipped", points.split, text)]


def _repeated(points: Points) -> list[Finding]:
    """The same place twice in a row for one observer."""
    shares = [_repetitions(p, o) / max(1, len(p)) for p, o in zip(points.images, points.observers, strict=True)]
    rows = [points.ids[i] for i, share in enumerate(shares) if share > REPEATED]
    text = f"in {{n}} images more than {REPEATED:.0%} of the fixations repeat the one before: samples, not fixations?"
    return finding("repeated points", points.split, text, rows)


def _doubled(points: Points) -> list[Finding]:
    """Rows that come twice, but not one after the other: a table that was appended to itself."""
    shares = []
    for xy, observers in zip(points.images, points.observers, strict=True):
        rows = np.column_stack([xy, observers])
        copies = len(rows) - len(np.unique(rows, axis=0)) - _repetitions(xy, observers)
        shares.append(copies / max(1, len(rows)))
    doubled = [points.ids[i] for i, share in enumerate(shares) if share > REPEATED]
    text = f"in {{n}} images more than {REPEATED:.0%} of the fixations come twice: was the table appended to itself?"
    return finding("doubled rows", points.split, text, doubled)


def _repetitions(points: np.ndarray, observers: np.ndarray) -> int:
    same = (points[1:] == points[:-1]).all(axis=1) & (observers[1:] == observers[:-1])
    return int(same.sum())


def _same(points: Points) -> list[Finding]:
    seen: dict[bytes, list[str]] = defaultdict(list)
    for name, xy in zip(points.ids, points.images, strict=True):
        if len(xy) > 2:
            seen[xy.tobytes()].append(name)
    same = [name for names in seen.values() if len(names) > 1 for name in names]
    return finding("same fixations", points.split, "{n} images share their fixations with another one", same)


def _counts(points: Points) -> list[Finding]:
    counts = np.array([len(p) for p in points.images])
    median = float(np.median(counts[counts > 0]))
    rows = np.flatnonzero((counts > 0) & ((counts * FEW < median) | (counts > median * FEW)))
    text = f"{{n}} images have {FEW:.0f} times fewer or more fixations than the median image ({median:.0f})"
    return finding("odd count", points.split, text, [points.ids[i] for i in rows])


def _centre(points: Points) -> list[Finding]:
    rows = ~points.outside() & ~np.isnan(points.xy).any(axis=1)
    if rows.sum() < ENOUGH:
        return []
    mean = (points.xy[rows] / points.limits[rows]).mean(axis=0)
    if ((mean > CENTRE[0]) & (mean < CENTRE[1])).all():
        return []
    text = (
        f"the mean fixation lies at ({mean[0]:.0%}, {mean[1]:.0%}) of the sides; people look at the middle on average"
    )
    return [Finding("off centre", points.split, text)]


ANYHOW: Sequence[Check] = (_repeated, _doubled, _same, _counts)  # whatever the coordinates mean
CHECKS: Sequence[Check] = (_clipped, *ANYHOW, _centre)
