"""Check fixations without pictures: coordinates, units, repetitions and numbers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.doctor.finding import Finding, finding

ENOUGH = 20  # minimum number of fixations for statistics
SWAPPED, FOREIGN = 0.02, 0.3  # fractions outside the image that indicate swapped axes, foreign coordinates
UNIT, SMALL = 1.5, 0.15  # coordinates up to 1.5 indicate fractions of a side, up to 15 % of the sides degrees
BORDER, REPEATED = 0.05, 0.2  # fractions of fixations in the outermost pixels, of repeated fixations
FEW = 5.0  # factor of fewer or more fixations than in the median image
CENTER = (0.25, 0.75)  # range of the mean fixation, as a fraction of each side


@dataclass(frozen=True, eq=False)
class Points:
    """All fixations of a split.

    Args:
        images: One ``(N_i, 2)`` array of (x, y) per image.
        observers: One ``(N_i,)`` array per image.
        sizes: Shape ``(n, 2)``: width and height of every image.
        xy: Shape ``(N, 2)``: all fixations.
        limits: Shape ``(N, 2)``: width and height of each fixation's image.
        image: Shape ``(N,)``: number of each fixation's image.
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
        """Collect the fixations of a data set that was read with ``as_recorded=True``."""
        images, sizes = dataset.all_fixations()
        counts = [len(points) for points in images]
        number = np.repeat(np.arange(len(images)), counts)
        widths = np.array(sizes, dtype=np.float64).reshape(-1, 2)[:, ::-1]
        xy = np.concatenate([*images, np.zeros((0, 2))])
        return cls(dataset.split, dataset.ids, images, dataset.observers(), widths, xy, widths[number], number)

    def without(self, left_out: Collection[str]) -> Points:
        """Return the fixations without those of some images."""
        keep = [i for i, name in enumerate(self.ids) if name not in left_out]
        rows = np.isin(self.image, keep)
        images, observers = [self.images[i] for i in keep], [self.observers[i] for i in keep]
        ids, number = tuple(self.ids[i] for i in keep), np.repeat(np.arange(len(keep)), [len(xy) for xy in images])
        return Points(self.split, ids, images, observers, self.sizes[keep], self.xy[rows], self.limits[rows], number)

    def outside(self, xy: np.ndarray | None = None) -> np.ndarray:
        """Return which fixations are outside their image; NaN does not count."""
        xy = self.xy if xy is None else xy
        return np.asarray(((xy < 0) | (xy >= self.limits)).any(axis=1))

    def names(self, rows: np.ndarray) -> list[str]:
        """Return the ids of the images of some fixations, each once."""
        return [self.ids[i] for i in np.unique(self.image[rows])]


Check = Callable[[Points], list[Finding]]


def check_turned(points: Points, turned: Collection[str]) -> list[Finding]:
    """Report pictures with a quarter-turn tag whose fixations were recorded on the turned picture.

    Args:
        turned: Ids of the pictures with a tag for a quarter turn.
    """
    others = [name for name in points.ids if name not in turned]
    tagged = points.without(others)
    if not len(tagged.xy) or tagged.outside().mean() <= SWAPPED:
        return []
    text = (
        "the fixations of {n} images fit the picture as turned by its EXIF tag, not as stored and read here: "
        "save these pictures upright, without the tag"
    )
    return finding("rotated", points.split, text, list(tagged.ids))


def check_points(points: Points) -> list[Finding]:
    """Run all checks on the fixations of one split."""
    found = [item for check in (_not_a_number, _empty) for item in check(points)]
    if len(points.xy) >= ENOUGH:
        coordinates = [*_coordinates(points), *_units(points)][:1]
        wrong = any(item.kind in ("swapped axes", "wrong units") for item in coordinates)
        found += coordinates + [
            item for check in CHECKS if not wrong or check in FOR_ANY_COORDINATES for item in check(points)
        ]
    return found


def _not_a_number(points: Points) -> list[Finding]:
    rows = np.isnan(points.xy).any(axis=1)
    text = f"{int(rows.sum())} coordinates of {{n}} images are NaN: data.outside=drop drops them"
    return finding("not a number", points.split, text, points.names(rows))


def _empty(points: Points) -> list[Finding]:
    empty = [points.ids[i] for i, p in enumerate(points.images) if not len(p)]
    return finding("empty image", points.split, "{n} images have no fixations, so metrics ignore them", empty)


def _coordinates(points: Points) -> list[Finding]:
    """Report fixations outside the image with their most likely cause."""
    rows = points.outside()
    share = rows.mean()
    if share == 0:
        return []
    if share > SWAPPED and points.outside(points.xy[:, ::-1]).mean() < share / 4:
        text = f"{share:.0%} of the fixations are outside, but far fewer with x and y swapped: they are (y, x)"
        return [Finding("swapped axes", points.split, text)]
    if _is_one_based(points, rows):
        text = f"whole numbers from 1 to the size of the image ({int(rows.sum())} reach it): subtract 1 or 0.5"
        return [Finding("one-based", points.split, text)]
    if share > FOREIGN:
        text = f"{share:.0%} of the fixations are outside: possibly screen coordinates, or pictures of another size"
        return [Finding("wrong units", points.split, text)]
    text = f"{int(rows.sum())} of {len(rows):,} fixations in {{n}} images are outside: data.outside=drop or clip"
    return finding("out of image", points.split, text, points.names(rows))


def _is_one_based(points: Points, outside: np.ndarray) -> bool:
    """Return whether coordinates are whole pixels (possibly centered by the reader) from 1 to the image size."""
    whole = np.floor(points.xy)
    if len(np.unique(points.xy - whole)) != 1 or whole.min() < 1:
        return False
    return bool((whole <= points.limits).all() and (whole == points.limits).any(axis=1)[outside].all())


def _units(points: Points) -> list[Finding]:
    largest = float(np.nanmax(np.abs(points.xy)))
    if largest <= UNIT:
        text = f"no coordinate exceeds {largest:.2f}: these are fractions of the sides, not pixels"
        return [Finding("wrong units", points.split, text)]
    if float(np.nanpercentile(np.abs(points.xy) / points.limits, 99)) < SMALL:
        text = f"99 % of the fixations are in the first {SMALL:.0%} of the sides: they may be in degrees or meters"
        return [Finding("wrong units", points.split, text)]
    return []


def _clipped(points: Points) -> list[Finding]:
    share = ((np.floor(points.xy) <= 0) | (np.floor(points.xy) >= points.limits - 1)).any(axis=1)
    share = float((share & ~points.outside()).mean())
    if share < BORDER:
        return []
    text = f"{share:.0%} of the fixations are in the outermost pixels: points outside were moved to the edge"
    return [Finding("clipped", points.split, text)]


def _repeated(points: Points) -> list[Finding]:
    """Report images in which observers often fixate the same point twice in a row."""
    shares = [_repetitions(p, o) / max(1, len(p)) for p, o in zip(points.images, points.observers, strict=True)]
    rows = [points.ids[i] for i, share in enumerate(shares) if share > REPEATED]
    text = f"in {{n}} images more than {REPEATED:.0%} of the fixations repeat the previous one: they may be samples"
    return finding("repeated points", points.split, text, rows)


def _doubled(points: Points) -> list[Finding]:
    """Report rows that occur twice, but not in sequence, as in a table appended to itself."""
    shares = []
    for xy, observers in zip(points.images, points.observers, strict=True):
        rows = np.column_stack([xy, observers])
        copies = len(rows) - len(np.unique(rows, axis=0)) - _repetitions(xy, observers)
        shares.append(copies / max(1, len(rows)))
    doubled = [points.ids[i] for i, share in enumerate(shares) if share > REPEATED]
    text = f"in {{n}} images more than {REPEATED:.0%} of the fixations occur twice: was the table appended to itself?"
    return finding("doubled rows", points.split, text, doubled)


def _repetitions(points: np.ndarray, observers: np.ndarray) -> int:
    same = (points[1:] == points[:-1]).all(axis=1) & (observers[1:] == observers[:-1])
    return int(same.sum())


def _same(points: Points) -> list[Finding]:
    images_by_points: dict[bytes, list[str]] = defaultdict(list)
    for name, xy in zip(points.ids, points.images, strict=True):
        if len(xy) > 2:
            images_by_points[xy.tobytes()].append(name)
    same = [name for names in images_by_points.values() if len(names) > 1 for name in names]
    return finding("same fixations", points.split, "{n} images have the same fixations as another one", same)


def _counts(points: Points) -> list[Finding]:
    counts = np.array([len(p) for p in points.images])
    median = float(np.median(counts[counts > 0]))
    rows = np.flatnonzero((counts > 0) & ((counts * FEW < median) | (counts > median * FEW)))
    text = f"{{n}} images have {FEW:.0f} times fewer or more fixations than the median image ({median:.0f})"
    return finding("odd count", points.split, text, [points.ids[i] for i in rows])


def _center(points: Points) -> list[Finding]:
    rows = ~points.outside() & ~np.isnan(points.xy).any(axis=1)
    if rows.sum() < ENOUGH:
        return []
    mean = (points.xy[rows] / points.limits[rows]).mean(axis=0)
    if ((mean > CENTER[0]) & (mean < CENTER[1])).all():
        return []
    text = (
        f"the mean fixation is at ({mean[0]:.0%}, {mean[1]:.0%}) of the sides, but people look at the center on average"
    )
    return [Finding("off centre", points.split, text)]


FOR_ANY_COORDINATES: Sequence[Check] = (_repeated, _doubled, _same, _counts)
CHECKS: Sequence[Check] = (_clipped, *FOR_ANY_COORDINATES, _center)
