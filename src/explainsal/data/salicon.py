"""SALICON: 20,000 COCO images of 640 x 480, mouse-contingent fixations (.mat) and fixation densities (.png).

All common layouts are found: maps and fixations in one folder or separate ones, images in one flat folder, folders
named ``stimuli`` and ``saliency``. Files are matched by stem, never by position. The 2015 release may also be one file
of fixations or mouse samples per split (`explainsal.data.salicon_2015`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import read_gray
from explainsal.data.listing import files_by_stem, find_partners
from explainsal.data.mat import mat_errors, read_mat
from explainsal.data.reading import Points, Reading, read_dataset
from explainsal.data.salicon_2015 import json_file, lsun_file, read_json, read_lsun, split_observers
from explainsal.data.sources import SALICON, Source
from explainsal.errors import CorruptFileError, MissingEntryError, UserError

GroundTruth = Literal["fixations", "mouse"]
FIELDS = {"fixations": "fixations", "mouse": "location"}  # fields of the struct ``gaze`` in a .mat file
SPLITS = ("train", "val", "test")
COCO_NAME = re.compile(r"COCO_(train|val|test)2014_\d{12}")
FOLDERS = {
    "images": ("images", "stimuli", "image"),
    "maps": ("maps", "saliency", "", "fixations"),  # "" and "fixations": unpacked together with the fixations
    "fixations": ("fixations", "", "maps", "saliency"),
}
SUFFIXES = {"images": (".jpg", ".jpeg", ".png"), "maps": (".png",), "fixations": (".mat",)}


def read_salicon(
    root: str | Path,
    split: str,
    *,
    release: str,
    ground_truth: GroundTruth = "fixations",
    density_sigma: float | None = None,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Read SALICON.

    The .mat files hold 1-based whole pixels; a fixation is at the center of its pixel, so x - 1 + 0.5. The test split
    has neither fixations nor densities; its samples contain only images.

    Args:
        split: ``train``, ``val`` or ``test``.
        release: ``2017`` or ``2015``: the same images, but fixations and densities that are not comparable. The files
            do not identify their release, so it must be given.
        ground_truth: ``fixations``, or ``mouse`` for every sample of the mouse traces, 47 times as many in 2017 (the
            table takes 2 GB of memory for ``train``). Some samples are outside the image; see ``reading.outside``.
        density_sigma: Standard deviation in pixels of a Gaussian that makes densities from points, for data without
            published maps such as the JSON of 2015 (whose authors' tool uses 19); None for the published maps.

    Raises:
        MissingFilesError: If the folder, or a map or .mat file of an image, is missing.
        CorruptFileError: If a file cannot be read.
        UserError: If the fixations belong to the other release.
        ValueError: If `split`, `release` or `ground_truth` is unknown.
    """
    if release not in SALICON:
        raise ValueError(f"release must be one of {tuple(SALICON)}, got {release!r}")
    if ground_truth not in FIELDS:
        raise ValueError(f"ground_truth must be one of {tuple(FIELDS)}, got {ground_truth!r}")
    root = Path(root)
    dataset = read_layout(
        root,
        split,
        name="salicon",
        release=release if ground_truth == "fixations" else f"{release} {ground_truth}",
        annotated=split != "test",
        source=SALICON[release],
        field=FIELDS[ground_truth],
        whole=whole_file(root, split, ground_truth) if release == "2015" and split != "test" else None,
        density_sigma=density_sigma,
        reading=reading,
    )
    if ground_truth == "fixations":
        _refuse_other_release(dataset, release)
    return dataset


def whole_file(root: Path, split: str, ground_truth: GroundTruth) -> Path | None:
    """Return the file with the points of all images of a split, if the 2015 release is stored in this form."""
    return lsun_file(root, split) or (json_file(root, split) if ground_truth == "mouse" else None)


def read_layout(
    root: Path,
    split: str,
    *,
    name: str,
    release: str,
    annotated: bool,
    source: Source = SALICON["2017"],
    field: str = "fixations",
    whole: Path | None = None,
    density_sigma: float | None = None,
    reading: Reading | None = None,
) -> SaliencyDataset:
    """Read a data set in SALICON's layout; `annotated` states whether the split must have maps and fixations.

    One file, `whole`, may hold the fixations of all images. With `density_sigma`, maps are not searched.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {SPLITS}, got {split!r}")
    reading = reading or Reading()
    images = _find("images", root, split, source)
    kinds = {"maps": density_sigma is None, "fixations": whole is None}
    partners = {kind: _find(kind, root, split, source) for kind, own in kinds.items() if annotated and own}
    for kind, files in partners.items():
        folder = Path(next(iter(files.values()))).parent
        what = f"{SUFFIXES[kind][0]} file in {folder}"
        images = find_partners(images, files, what, skip=reading.skip)
    mats = partners.get("fixations", {})
    points = _points_of_all(whole, field) if whole else lambda key: read_gaze(mats[key], field)
    return read_dataset(
        root,
        name=name,
        split=split,
        release=release,
        images=images,
        points=points if annotated else None,
        annotations=[whole] if whole else [mats[key] for key in images if mats],
        maps={key: partners["maps"][key] for key in images} if "maps" in partners else None,
        density_sigma=density_sigma if annotated else None,
        reading=reading,
    )


def read_gaze(path: str | Path, field: str = "fixations") -> list[np.ndarray]:
    """Read one .mat file of SALICON: one ``(K, 2)`` float32 array of (x, y) in pixels per observer.

    Args:
        field: ``fixations``, or ``location`` for the mouse samples.

    Returns:
        One array per observer; K = 0 for an observer without fixations.
    """
    remedy = "Unpack fixations.zip again."
    with mat_errors(path, remedy):
        content = read_mat(path, remedy, variable_names=["gaze"])
        if "gaze" not in content:
            raise CorruptFileError(f"{path} holds no gaze: it is incomplete, or belongs to the test split. {remedy}")
        return split_observers(content["gaze"], field)


def _points_of_all(path: Path, field: str) -> Points:
    """Return a function for the points in one file, which is read at the first call."""
    observers = cache(lambda: read_json(path) if path.suffix == ".json" else read_lsun(path, field))

    def points(key: str) -> list[np.ndarray]:
        if key not in observers():
            raise MissingEntryError(
                f"{path} has no entry for the image {key}. Set data.unreadable=skip to skip such images."
            )
        return observers()[key]

    return points


def _find(kind: str, root: Path, split: str, source: Source) -> dict[str, str]:
    """Map stems to files of the first folder that holds any."""
    looked = []
    for folder in _candidates(root, FOLDERS[kind], split):
        looked.append(folder)
        files = _of_split(files_by_stem(folder, SUFFIXES[kind]), None if folder.name == split else split)
        if files and not (kind == "maps" and _is_fixation_map(next(iter(files.values())))):
            return files
    what = {"images": "images", "maps": "fixation maps (.png)", "fixations": "fixations (.mat)"}[kind]
    folders = [folder for folder in looked if folder.name == split and folder.parent.name != folder.parent.parent.name]
    samples = json_file(root, split) if kind == "fixations" else None
    what += f" (but mouse samples exist: data.release=2015 data.ground_truth=mouse reads {samples})" if samples else ""
    raise source.missing(f"{what} of the {split} split", folders if root.is_dir() else [root])


def _candidates(root: Path, names: Sequence[str], split: str) -> Iterator[Path]:
    """Yield ``<name>/<split>``, ``<name>/<name>/<split>`` and the flat ``<name>`` for every possible folder name."""
    for name in names:
        for base in (root / name, root / name / name) if name else (root,):
            yield base / split
    for name in names:
        for base in (root / name, root / name / name) if name else (root,):
            yield base


def _of_split(files: dict[str, str], split: str | None) -> dict[str, str]:
    """Select the files of `split` by their published names in a folder of all splits; None keeps all."""
    if split is None:
        return files
    matches = {stem: COCO_NAME.fullmatch(stem) for stem in files}
    return {stem: path for stem, path in files.items() if (match := matches[stem]) and match[1] == split}


def _is_fixation_map(path: str) -> bool:
    """Return whether a .png is a binary map of fixated pixels, as UNISAL's code writes next to the .mat files."""
    return len(np.unique(read_gray(path))) <= 2


def _refuse_other_release(dataset: SaliencyDataset, release: str) -> None:
    """Raise if the number of fixations is that of the other release, since the files do not name theirs."""
    for other, source in SALICON.items():
        if other != release and dataset.fixation_count == source.fixations.get(dataset.split):
            expected = SALICON[release].fixations[dataset.split]
            raise UserError(
                f"these are the {dataset.split} fixations of SALICON's {other} release ({dataset.fixation_count:,}), "
                f"not of {release} ({expected:,}): the two are not comparable. Set data.release={other}."
            )
