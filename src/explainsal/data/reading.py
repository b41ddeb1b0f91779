"""Build a `SaliencyDataset` from the files of a data set, in one place for all readers."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
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

Points = Callable[[str], Sequence[np.ndarray | Scanpath]]
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
    images: Mapping[str, str | Path],
    split: str = "all",
    points: Points | None = None,
    annotations: Iterable[str | Path] = (),
    maps: Mapping[str, str | Path] | None = None,
    density_sigma: float | None = None,
    release: str | None = None,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Build a data set from its files; sizes and fixations are parsed once and cached.

    Args:
        root: Folder of the data set, for the cache; None disables the cache.
        images: Id -> picture file.
        points: Function from an image's id to its scanpaths; None without ground truth.
        annotations: The files that `points` reads; a change of one rebuilds the cache.
        maps: Id -> published density.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities from fixations.

    Raises:
        CorruptFileError: If a file cannot be read, or no image is left.
    """
    reading, annotations = reading or Reading(), list(map(str, annotations))
    label = "-".join(part for part in (name, release, split) if part).replace("/", "_").replace(" ", "_")
    key = label + ("" if points else "-images") + ("-skip" if reading.skip else "")
    densities = filter(os.path.exists, map(str, (maps or {}).values()) if reading.skip else ())
    build = partial(_parse, label, images, points, maps, reading, shared=len(annotations) == 1)
    sources = [*map(str, images.values()), *annotations, *densities]
    table = cached_table(key, root, sources, build, folder=reading.cache) if root else build()
    _report_omitted(table, images, label)
    fixations = table if reading.as_recorded else table.inside(reading.outside, f"{name} {split}")
    dataset = SaliencyDataset(
        name=name,
        split=split,
        release=release,
        ids=table.ids,
        images=[images[key] for key in table.ids],
        sizes=table.sizes,
        fixations=fixations if points else None,
        maps=[maps[key] for key in table.ids] if maps is not None else None,
        density_sigma=density_sigma,
    )
    if reading.decoded != "none" and root is not None:
        dataset = dataset.stored(key, cache_folder(root, reading.cache), images=reading.decoded == "all")
    return dataset


def _parse(
    label: str,
    images: Mapping[str, str | Path],
    points: Points | None,
    maps: Mapping[str, str | Path] | None,
    reading: Reading,
    *,
    shared: bool,
) -> FixationTable:
    """Read sizes and points of all images; `shared` states that one file holds the points of all."""
    kept, sizes, observers = [], [], []
    if shared and points and images:
        with suppress(MissingEntryError):  # outside the loop: an error in the shared file is not skipped
            points(next(iter(images)))
    shown = track(images.items(), f"{label}: indexing, once", transient=True, disable=len(images) < QUICK)
    for key, image in shown:
        try:
            if reading.skip:  # decode the files, since a valid header may precede damaged data
                read_image(image)
                if maps is not None:
                    read_density(maps[key])
            size, scanpaths = image_size(image), points(key) if points else ()
        except UserError as error:
            if not reading.skip:
                raise
            log.warning("%s: %s", label, error)
            continue
        kept.append(key)
        sizes.append(size)
        observers.append(scanpaths)
    if images and not kept:
        raise CorruptFileError(
            f"{label}: none of the {len(images)} images can be read, first {next(iter(images.values()))}"
        )
    return FixationTable.from_observers(kept, sizes, observers)


def _report_omitted(table: FixationTable, images: Mapping[str, str | Path], label: str) -> None:
    """Warn of the images that the table omits, at every start."""
    if len(table) < len(images):
        omitted = sorted(set(images) - set(table.ids))
        names = printable(", ".join(omitted[:10])) + (", ..." if len(omitted) > 10 else "")
        text = f"{label}: {len(omitted)} of {len(images)} images are unreadable and skipped: {names}"
        warnings.warn(text, stacklevel=3)
