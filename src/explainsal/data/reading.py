"""From the files of a data set to a `SaliencyDataset`: what every reader leaves to one place."""

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
QUICK = 500  # fewer images than this need no progress bar

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """How a data set is read, whichever it is.

    Args:
        outside: What becomes of fixations outside their image: ``drop``, ``clip`` or ``error``.
        unreadable: ``error`` stops at the first damaged or missing file and names it; ``skip`` leaves such images out,
            counts them and names them. It decodes every picture once, to find those that are cut short.
        cache: Folder for what is parsed; by default ``.explainsal`` beside the data.
        decoded: ``maps`` keeps published maps there as plain bytes, ``all`` pictures as well: a half or an eighth of
            the CPU time for 0.3 or 1.2 MB of disk per image of 640 x 480 (benchmarks/results/loading-cpu.md).
        as_recorded: Leave fixations outside their image where they are, whatever `outside` says: for the doctor, which
            reports them. Metrics and densities need points inside.

    Raises:
        ValueError: If an option is none of these words.
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
        """Whether unreadable images are left out."""
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
    """A data set from lists of its files; sizes and fixations are parsed once and cached.

    Args:
        root: Folder of the data set, beside which the parsed fixations are kept; None keeps nothing.
        name: Of the data set.
        split: Of the images.
        ids: One per image, unique.
        images: One picture file per image.
        points: Index of an image -> its scanpaths; None where there is no ground truth.
        annotations: The files that `points` reads: if one changes, all are parsed again.
        maps: Published density of each image.
        density_sigma: Of the Gaussian that makes a density of the fixations, in pixels.
        release: Which of several published versions.
        reading: Options.

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
    shared = len(annotations) == 1  # then what is wrong with it is no image's fault
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
        with suppress(MissingEntryError):  # outside the loop: a fault in the one file of all images is not skipped
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
        raise CorruptFileError(f"{label}: none of the {len(ids)} images can be read, {images[0]} the first")
    return FixationTable.from_observers(kept, sizes, observers)


def _decode_once(image: str | Path, density: str | Path | None) -> None:
    """Find out whether the files can be decoded at all; a header can be whole where the rest is not."""
    read_image(image)
    if density is not None:
        read_density(density)


def _positions(table: FixationTable, ids: Sequence[str], label: str) -> Sequence[int]:
    """Where the images of the table stand in the list of all; the ones left out are reported at every start."""
    if len(table) == len(ids):
        return range(len(ids))
    left_out = sorted(set(ids) - set(table.ids))
    names = printable(", ".join(left_out[:10])) + (", ..." if len(left_out) > 10 else "")
    warnings.warn(f"{label}: {len(left_out)} of {len(ids)} images are unreadable and left out: {names}", stacklevel=3)
    position = {key: i for i, key in enumerate(ids)}
    return [position[key] for key in table.ids]
