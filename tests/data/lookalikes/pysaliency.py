"""pysaliency's HDF5 files in every form of its versions 0.2.22 and 0.3 dev."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np

# scanpaths as (stimulus, subject, x, y, t, duration)
SCANPATHS = [
    (0, 0, [1.5, 30.25, 7.0], [2.0, 20.5, 3.0], [0.1, 0.5, 0.9], [0.2, 0.3, 0.4]),
    (0, 2, [10.0], [11.0], [0.2], [0.1]),
    (2, 1, [5.0, 6.5], [0.0, 23.75], [0.0, 0.4], [0.3, 0.2]),
]
LENGTH = 3
FORMS = [
    ("Fixations", "1.0"), ("Fixations", "1.1"), ("Fixations", "1.2"),
    ("FixationTrains", "1.0"), ("FixationTrains", "1.1"), ("FixationTrains", "1.2"), ("FixationTrains", "1.3"),
    ("Scanpaths", "1.0"), ("ScanpathFixations", "1.0"),
]  # fmt: skip


def write_file_stimuli(path: Path, names: list[str], shapes: list[tuple[int, ...]], version: str = "2.1") -> None:
    """Names relative to the file's folder; absolute in version 1.0."""
    with h5py.File(path, "w") as file:
        _head(file, "FileStimuli", version, size=len(names))
        stored = [str(path.parent.absolute() / name) for name in names] if version == "1.0" else names
        file.create_dataset("filenames", data=stored, dtype=h5py.string_dtype())
        kept = file.create_dataset("shapes", (len(shapes),), dtype=h5py.vlen_dtype(np.int64))
        for k, shape in enumerate(shapes):
            kept[k] = np.array(shape)


def write_stimuli(path: Path, pictures: list[np.ndarray], version: str = "1.1") -> None:
    with h5py.File(path, "w") as file:
        _head(file, "Stimuli", version, size=len(pictures))
        for k, picture in enumerate(pictures):
            file.create_dataset(str(k), data=picture, compression="gzip", compression_opts=9)


def write_fixations(path: Path, kind: str, version: str) -> None:
    with h5py.File(path, "w") as file:
        _head(file, kind, version)
        if kind == "Fixations":
            _fixations(file, version)
        elif kind == "FixationTrains":
            _trains(file, version)
        else:
            _scanpaths(file if kind == "Scanpaths" else file.create_group("scanpaths"))


def _head(group: h5py.Group, kind: str, version: str, size: int | None = None) -> None:
    group.attrs["type"], group.attrs["version"] = np.bytes_(kind), np.bytes_(version)
    group.attrs["__attributes__"] = np.bytes_(json.dumps([]))
    if size is not None:
        group.attrs["size"] = size


def _fixations(file: h5py.File, version: str) -> None:
    rows = [(n, s, *values) for n, s, *columns in SCANPATHS for values in zip(*columns, strict=True)]
    rows = [rows[i] for i in (0, 3, 1, 4, 2, 5)]  # mixed up: time and subject tell where each belongs
    for name, column in zip(("n", "subjects", "x", "y", "t", "duration"), zip(*rows, strict=True), strict=True):
        key = "subject" if name == "subjects" and version != "1.0" else name
        file.create_dataset(key, data=np.array(column))
    for name in ("x_hist", "y_hist", "t_hist", "duration_hist"):
        file.create_dataset(name, data=np.full((len(rows), 1), np.nan))
    if version == "1.2":
        file.create_dataset("lengths", data=np.zeros(len(rows), int))


def _trains(file: h5py.File, version: str) -> None:
    for name, values in _padded().items():
        if name != "durations":
            file.create_dataset(f"train_{name}", data=values)
    file.create_dataset("train_ns", data=np.array([path[0] for path in SCANPATHS]))
    file.create_dataset("train_subjects", data=np.array([path[1] for path in SCANPATHS]))
    if version in ("1.0", "1.1"):
        file.create_dataset("duration", data=np.concatenate([path[5] for path in SCANPATHS]))
    else:
        file.create_group("scanpath_attributes").attrs["__attributes__"] = np.bytes_("[]")
        attributes = file.create_group("scanpath_fixation_attributes")
        attributes.attrs["__attributes__"] = np.bytes_('["durations"]')
        attributes.create_dataset("durations", data=_padded()["durations"])
    if version == "1.3":
        file.create_dataset("train_lengths", data=np.array([len(path[2]) for path in SCANPATHS]))


def _scanpaths(group: h5py.Group) -> None:
    _head(group, "Scanpaths", "1.0")
    padded = _padded()
    group.create_dataset("xs", data=padded["xs"])
    group.create_dataset("ys", data=padded["ys"])
    group.create_dataset("n", data=np.array([path[0] for path in SCANPATHS]))
    group.create_dataset("length", data=np.array([len(path[2]) for path in SCANPATHS]))
    group.create_group("scanpath_attributes").create_dataset("subject", data=np.array([p[1] for p in SCANPATHS]))
    attributes = group.create_group("fixation_attributes")
    attributes.create_dataset("ts", data=padded["ts"])
    attributes.create_dataset("durations", data=padded["durations"])


def _padded() -> dict[str, np.ndarray]:
    arrays = {name: np.full((len(SCANPATHS), LENGTH), np.nan) for name in ("xs", "ys", "ts", "durations")}
    for row, (_, _, *columns) in enumerate(SCANPATHS):
        for values, column in zip(arrays.values(), columns, strict=True):
            values[row, : len(column)] = column
    return arrays
