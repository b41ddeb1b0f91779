"""Build a `SaliencyDataset` from the files of a data set, in one place for all readers."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from rich.progress import track

from explainsal.data.cache import cache_folder, cached_table
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import image_size, read_density, read_image
from explainsal.data.fixation_table import FixationTable, Outside, Scanpath
from explainsal.errors import CorruptFileError, MissingEntryError, UserError, printable

Points = Callable[[int], Sequence[np.ndarray | Scanpath]]
Unreadable = Literal["error", "skip"]
Decoded = Literal["none", "maps", "all"]
QUICK = 500  # with fewer images, no progress bar is shown

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """Options for reading any data set.

    Args:
        outside: Treatment of fixations outside their image: ``drop``, ``clip`` or ``error``.
        unreadable: ``error`` stops at the first damaged or missing file and names it. ``skip`` omits such images with a
            warning that counts and names them; it decodes every picture once to find incomplete ones.
        cache: Cache folder; by default ``.explainsal`` next to the data.
        decoded: ``maps`` caches published maps as plain bytes, ``all`` caches pictures as well: a half or an eighth of
            the CPU time for 0.3 or 1.2 MB of disk per image of 640 x 480 (benchmarks/results/loading-cpu.md).
        as_recorded: Keep fixations outside their image regardless of `outside`, for the doctor, which reports
            them. Metrics and densities need points inside.

    Raises:
        ValueError: If the value of an option is unknown.
    """

    outside: Outside = "drop"
    unreadable: Unreadable = "error"
    cache: Path | None = None
    decoded: Decoded = "none"
    as_recorded: bool = False

    def __post_init__(self) -> None:
        if self.outside not in ("drop", "clip", "error"):
            raise ValueError(f'outside must be "drop", "clip" or "error", got {self.outside!r}')
        if self.unreadable not in ("error", "skip"):
            raise ValueError(f'unreadable must be "error" or "skip", got {self.unreadable!r}')
        if self.decoded not in ("none", "maps", "all"):
            raise ValueError(f'decoded must be "none", "maps" or "all", got {self.decoded!r}')

    @property
    def skip(self) -> bool:
        """True if unreadable images are skipped."""
        return self.unreadable == "skip"


def read_dataset(
    root: Path | None,
    *,
    name: str,
    split: str,
    ids: Sequence[str],
    images: Sequence[str | Path],
    points: Points | None = None,
    annotations: Sequence[str | Path] = (),
    maps: Sequence[str | Path] | None = None,
    density_sigma: float | None = None,
    release: str | None = None,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Build a data set from lists of its files; sizes and fixations are parsed once and cached.

    Args:
        root: Folder of the data set, for the cache; None disables the cache.
        name: Name of the data set.
        split: Split of the images.
        ids: Unique id of each image.
        images: Picture file of each image.
        points: Function from image index to scanpaths; None without ground truth.
        annotations: The files that `points` reads; a change of one rebuilds the cache.
        maps: Published density of each image.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities from fixations.
        release: Published version.
        reading: Options for reading files.

    Raises:
        CorruptFileError: If a file cannot be read, or no image is left.
    """
    reading = reading or Reading()
    label = "-".join(part for part in (name, release, split) if part).replace("/", "_").replace(" ", "_")
    key = label + ("" if points else "-images") + ("-skip" if reading.skip else "")
    sources = [
        *map(str, images),
        *map(str, annotations),
        *(filter(os.path.exists, map(str, maps or ())) if reading.skip else ()),
    ]
    shared = len(annotations) == 1  # its errors concern all images
    build = partial(_parse, label, ids, images, points, maps, reading, shared)
    table = cached_table(key, root, sources, build, folder=reading.cache) if root else build()
    kept = _positions(table, ids, label)
    fixations = table if reading.as_recorded else table.inside(reading.outside, f"{name} {split}")
    dataset = SaliencyDataset(
        name=name,
        split=split,
        release=release,
        ids=table.ids,
        images=[images[i] for i in kept],
        sizes=table.sizes,
        fixations=fixations if points else None,
        maps=[maps[i] for i in kept] if maps is not None else None,
        density_sigma=density_sigma,
    )
    if reading.decoded == "none" or root is None:
        return dataset
    return dataset.stored(key, cache_folder(root, reading.cache), images=reading.decoded == "all")


def _parse(
    label: str,
    ids: Sequence[str],
    images: Sequence[str | Path],
    points: Points | None,
    maps: Sequence[str | Path] | None,
    reading: Reading,
    shared: bool,
) -> FixationTable:
    kept, sizes, observers = [], [], []
    if shared and points and ids:
        with suppress(MissingEntryError):  # outside the loop: an error in the shared file is not skipped
            points(0)
    for i in track(range(len(ids)), f"{label}: indexing, once", transient=True, disable=len(ids) < QUICK):
        try:
            if reading.skip:
                _decode_once(images[i], maps[i] if maps is not None else None)
            size, scanpaths = image_size(images[i]), points(i) if points else ()
        except UserError as error:
            if not reading.skip:
                raise
            log.warning("%s: %s", label, error)
            continue
        kept.append(ids[i])
        sizes.append(size)
        observers.append(scanpaths)
    if ids and not kept:
        raise CorruptFileError(f"{label}: none of the {len(ids)} images can be read, first {images[0]}")
    return FixationTable.from_observers(kept, sizes, observers)


def _decode_once(image: str | Path, density: str | Path | None) -> None:
    """Check that the files can be decoded; a valid header may precede damaged data."""
    read_image(image)
    if density is not None:
        read_density(density)


def _positions(table: FixationTable, ids: Sequence[str], label: str) -> Sequence[int]:
    """Return the positions of the table's images in the full list; omitted images are reported at every start."""
    if len(table) == len(ids):
        return range(len(ids))
    left_out = sorted(set(ids) - set(table.ids))
    names = printable(", ".join(left_out[:10])) + (", ..." if len(left_out) > 10 else "")
    warnings.warn(f"{label}: {len(left_out)} of {len(ids)} images are unreadable and skipped: {names}", stacklevel=3)
    position = {key: i for i, key in enumerate(ids)}
    return [position[key] for key in table.ids]
