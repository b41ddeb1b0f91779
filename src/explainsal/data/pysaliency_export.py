"""Write data sets as pysaliency's HDF5 files, with h5py alone, in the formats of version 0.2.22.

Every version of pysaliency reads these formats. Coordinates are pixels from 0. If all points of a data set are at pixel
centers, whole pixel indices are written, otherwise the points as they are. Unknown times are NaN.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.fixation_table import FixationTable
from explainsal.data.ground_truth import are_whole
from explainsal.fetch.disk import full_disk_is_reported
from explainsal.fetch.writing import replaced_file

STIMULI_FILE, FIXATIONS_FILE = "stimuli.hdf5", "fixations.hdf5"


def export_dataset(dataset: SaliencyDataset, folder: Path, *, pictures: bool = False) -> list[Path]:
    """Write ``stimuli.hdf5`` and, with ground truth, ``fixations.hdf5`` of one part of a data set.

    The folder can be read with ``data=folder data.root=FOLDER``.

    Args:
        folder: Target folder; existing files are replaced.
        pictures: Whether the stimuli hold the pictures themselves, instead of file names relative to the folder.

    Returns:
        The files.

    Raises:
        CorruptFileError: If a picture cannot be read.
        UserError: If the disk is full or the folder is not writable.
    """
    with full_disk_is_reported("writing pysaliency's files", folder):
        folder.mkdir(parents=True, exist_ok=True)
        files = [folder / STIMULI_FILE]
        if pictures:
            write_stimuli(files[0], len(dataset), lambda index: dataset[index].image)
        else:
            write_file_stimuli(files[0], dataset.files)
        if dataset.fixations is not None:
            files.append(folder / FIXATIONS_FILE)
            write_scanpaths(files[1], dataset.fixations)
    return files


def write_stimuli(path: Path, count: int, picture: Callable[[int], np.ndarray]) -> None:
    """Write pictures in the format ``Stimuli`` 1.1.

    Args:
        picture: Position -> uint8, ``(H, W)`` or ``(H, W, 3)``.
    """

    def fill(file: h5py.File) -> None:
        _head(file, "Stimuli", "1.1", [], size=count)
        for index in range(count):
            file.create_dataset(str(index), data=picture(index), compression="gzip", compression_opts=9)

    _write(path, fill)


def write_file_stimuli(path: Path, files: Sequence[str]) -> None:
    """Write the names of picture files, relative to the HDF5 file's folder, in the format ``FileStimuli`` 2.1."""

    def fill(file: h5py.File) -> None:
        _head(file, "FileStimuli", "2.1", [], size=len(files))
        names = [os.path.relpath(os.path.abspath(name), path.absolute().parent) for name in files]
        file.create_dataset("filenames", data=names, dtype=h5py.string_dtype())
        shapes = file.create_dataset("shapes", (len(files),), dtype=h5py.vlen_dtype(np.int64))
        for index, name in enumerate(files):
            shapes[index] = _shape(name)

    _write(path, fill)


def write_scanpaths(path: Path, table: FixationTable) -> None:
    """Write all scanpaths, one row per observer and image, in the format ``FixationTrains`` 1.2."""
    rows, columns, first = _scanpath_grid(table)
    shape = int(rows.max(initial=-1)) + 1, int(columns.max(initial=-1)) + 1

    def padded(values: np.ndarray) -> np.ndarray:
        grid = np.full(shape, np.nan)
        grid[rows, columns] = values
        return grid

    def fill(file: h5py.File) -> None:
        _head(file, "FixationTrains", "1.2", ["subjects", "scanpath_index"])
        mapping = {"durations": "duration"} if table.duration is not None else {}
        file.attrs["scanpath_attribute_mapping"] = np.bytes_(json.dumps(mapping))
        xy = _points(table)
        for name, values in {"xs": xy[:, 0], "ys": xy[:, 1], "ts": _times(table)}.items():
            file.create_dataset(f"train_{name}", data=padded(values), compression="gzip")
        file.create_dataset("train_ns", data=_images(table)[first])
        file.create_dataset("train_subjects", data=table.observer[first].astype(np.int64))
        _head(file.create_group("scanpath_attributes"), None, None, [])
        durations = file.create_group("scanpath_fixation_attributes")
        _head(durations, None, None, ["durations"] if table.duration is not None else [])
        if table.duration is not None:
            durations.create_dataset("durations", data=padded(table.duration), compression="gzip")

    _write(path, fill)


def _head(group: h5py.Group, kind: str | None, version: str | None, names: list[str], **more: Any) -> None:
    """Write the attributes that pysaliency expects of a group: byte strings of fixed length, and lists as JSON."""
    if kind is not None:
        group.attrs["type"], group.attrs["version"] = np.bytes_(kind), np.bytes_(version)
    group.attrs["__attributes__"] = np.bytes_(json.dumps(names))
    for name, value in more.items():
        group.attrs[name] = value


def _scanpath_grid(table: FixationTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return scanpath number and position in the scanpath of every fixation, and each scanpath's first fixation."""
    image, observer = _images(table), table.observer
    starts = np.ones(len(image), bool)
    starts[1:] = (image[1:] != image[:-1]) | (observer[1:] != observer[:-1])
    first = np.flatnonzero(starts)
    rows = np.cumsum(starts) - 1
    return rows, np.arange(len(image)) - first[rows] if len(image) else rows, first


def _images(table: FixationTable) -> np.ndarray:
    return np.repeat(np.arange(len(table)), table.counts)


def _points(table: FixationTable) -> np.ndarray:
    xy = table.xy.astype(np.float64)
    return xy - 0.5 if are_whole([xy - 0.5]) else xy


def _times(table: FixationTable) -> np.ndarray:
    return np.full(len(table.xy), np.nan) if table.t is None else table.t.astype(np.float64)


def _shape(file: str) -> np.ndarray:
    """Return height, width and, for several channels, their number, from the header."""
    with Image.open(file) as image:
        channels = len(image.getbands())
        return np.array([image.height, image.width] + ([channels] if channels > 1 else []), np.int64)


def _write(path: Path, fill: Callable[[h5py.File], None]) -> None:
    """Write a file completely or not at all."""
    with replaced_file(path) as temporary, h5py.File(temporary, "w") as file:
        fill(file)
