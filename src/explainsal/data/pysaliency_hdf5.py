"""Read pysaliency's HDF5 files of stimuli and fixations in all formats of versions 0.2.22 and 0.3 dev; needs only h5py.

Coordinates are pixels from 0, x to the right, y down; `n` is the position of the stimulus; times are in seconds.
Damaged files raise a `CorruptFileError`, unknown formats and versions a `UserError`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from explainsal.data.fixation_table import Scanpath
from explainsal.data.hdf5 import member, read_values
from explainsal.data.headers import LARGEST, check_pixels
from explainsal.data.mat import mat_errors
from explainsal.errors import CorruptFileError, UserError

HDF5_SUFFIXES = (".hdf5", ".h5")
STIMULI = {"Stimuli": ("1.0", "1.1"), "FileStimuli": ("1.0", "2.0", "2.1")}
FIXATIONS = {
    "Fixations": ("1.0", "1.1", "1.2"),
    "FixationTrains": ("1.0", "1.1", "1.2", "1.3"),
    "Scanpaths": ("1.0",),
    "ScanpathFixations": ("1.0",),
}


@dataclass(frozen=True)
class Stimuli:
    """Pictures of an HDF5 file: file names, or pictures stored in it.

    Args:
        files: Path of each picture; empty if the file stores the pictures.
        pictures: Number of pictures stored in the file; 0 if it names files.
    """

    files: tuple[str, ...]
    pictures: int


@contextmanager
def opened(path: str | Path) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading."""
    with mat_errors(path, "Write it again with pysaliency's to_hdf5."), h5py.File(path, "r") as file:
        yield file


def form(path: str | Path) -> str:
    """Return the format of a file, e.g. ``FileStimuli`` or ``FixationTrains``; "" if it is not from pysaliency."""
    with opened(path) as file:
        return _text(file.attrs.get("type", b""))


def read_stimuli(path: str | Path) -> Stimuli:
    """Read the pictures that a stimuli file names (``FileStimuli``) or stores (``Stimuli``).

    Names are relative to the folder of the HDF5 file; version 1.0 stores absolute names.
    """
    with opened(path) as file:
        if _known_form(file, path, STIMULI) == "FileStimuli":
            names = [_text(name) for name in read_values(file, "filenames")]
            return Stimuli(tuple(str(Path(path).parent / name) for name in names), 0)
        count = int(file.attrs["size"])
        if not 0 < count <= len(file):
            raise CorruptFileError(f"{path} states {count} pictures and holds {len(file)}: it is damaged")
        return Stimuli((), count)


def read_picture(path: str | Path, number: int) -> np.ndarray:
    """Read one picture of a file of format ``Stimuli``: uint8, shape ``(H, W)`` or ``(H, W, 3)``."""
    with opened(path) as file:
        picture = member(file, str(number))
        check_pixels(f"stimulus {number} in {path}", picture.shape)
        values = read_values(file, str(number), largest=3 * LARGEST)
    if values.dtype != np.uint8 or values.ndim not in (2, 3) or (values.ndim == 3 and values.shape[2] != 3):
        raise CorruptFileError(f"stimulus {number} in {path} is not an 8-bit picture: {values.shape}, {values.dtype}")
    return values


def read_scanpaths(path: str | Path) -> dict[int, list[Scanpath]]:
    """Map the position of each fixated stimulus to its scanpaths.

    In the format ``Fixations``, which has no scanpaths, all fixations of a subject on a stimulus form one.
    """
    with opened(path) as file:
        kind = _known_form(file, path, FIXATIONS)
        readers: dict[str, Callable[[h5py.Group], list[tuple[int, Scanpath]]]] = {
            "Fixations": _fixations,
            "FixationTrains": _trains,
            "Scanpaths": _scanpaths,
            "ScanpathFixations": lambda group: _scanpaths(member(group, "scanpaths")),
        }
        paths: dict[int, list[Scanpath]] = {}
        for n, scanpath in readers[kind](file):
            paths.setdefault(n, []).append(scanpath)
        return paths


def _fixations(group: h5py.Group) -> list[tuple[int, Scanpath]]:
    points = np.stack([read_values(group, "x"), read_values(group, "y")], 1).astype(np.float64)
    n = read_values(group, "n").astype(np.int64)
    subjects = _numbers(read_values(group, "subject" if "subject" in group else "subjects"))
    t, durations = read_values(group, "t"), _durations(group)
    paths = []
    for image, subject in dict.fromkeys(zip(n.tolist(), subjects.tolist(), strict=True)):
        rows = np.flatnonzero((n == image) & (subjects == subject))
        rows = rows[np.argsort(t[rows], kind="stable")]
        duration = _known(durations[rows]) if durations is not None else None
        paths.append((image, Scanpath(points[rows], subject, _timed(t[rows]), duration)))
    return paths


def _trains(group: h5py.Group) -> list[tuple[int, Scanpath]]:
    xs, ys, ts = (read_values(group, f"train_{name}") for name in ("xs", "ys", "ts"))
    lengths = read_values(group, "train_lengths") if "train_lengths" in group else (~np.isnan(xs)).sum(axis=1)
    durations = _durations(_group(group, "scanpath_fixation_attributes"))
    if durations is None and (flat := _durations(group)) is not None:  # versions 1.0 and 1.1: one per fixation
        durations = np.full(xs.shape, np.nan)
        durations[np.arange(xs.shape[1]) < lengths[:, None]] = flat
    return _rows(
        xs, ys, ts, durations, lengths, read_values(group, "train_ns"), _numbers(read_values(group, "train_subjects"))
    )


def _scanpaths(group: h5py.Group) -> list[tuple[int, Scanpath]]:
    attributes = _group(group, "fixation_attributes")
    xs, ys, lengths = read_values(group, "xs"), read_values(group, "ys"), read_values(group, "length")
    ts = read_values(attributes, "ts") if "ts" in attributes else np.full(xs.shape, np.nan)
    per_scanpath = _group(group, "scanpath_attributes")
    subjects = _numbers(read_values(per_scanpath, "subject")) if "subject" in per_scanpath else np.arange(len(lengths))
    return _rows(xs, ys, ts, _durations(attributes), lengths, read_values(group, "n"), subjects)


def _rows(
    xs: np.ndarray,
    ys: np.ndarray,
    ts: np.ndarray,
    durations: np.ndarray | None,
    lengths: np.ndarray,
    ns: np.ndarray,
    subjects: np.ndarray,
) -> list[tuple[int, Scanpath]]:
    """Turn rows padded to one length, shape ``(S, L)``, into scanpaths of their own lengths."""
    padded = [column.shape for column in (xs, ys, ts, durations) if column is not None]
    if len({len(column) for column in (xs, lengths, ns, subjects)}) > 1 or len(set(padded)) > 1:
        raise ValueError(f"its arrays have inconsistent shapes: {padded} for {len(ns)} scanpaths")
    paths = []
    for row, length in enumerate(lengths.astype(int).tolist()):
        points = np.stack([xs[row, :length], ys[row, :length]], 1).astype(np.float64)
        duration = _known(durations[row, :length]) if durations is not None else None
        paths.append((int(ns[row]), Scanpath(points, int(subjects[row]), _timed(ts[row, :length]), duration)))
    return paths


def _group(group: h5py.Group, name: str) -> h5py.Group | dict[str, h5py.Dataset]:
    return member(group, name) if name in group else {}


def _durations(group: h5py.Group | dict[str, h5py.Dataset]) -> np.ndarray | None:
    """Return one duration per fixation, or None; the two names are those of scanpaths and of single fixations."""
    names = [name for name in ("durations", "duration") if name in group]
    return read_values(group, names[0]) if names else None


def _timed(values: np.ndarray) -> np.ndarray | None:
    return None if np.isnan(values.astype(np.float64)).any() else values


def _known(values: np.ndarray) -> np.ndarray | None:
    return None if np.isnan(values.astype(np.float64)).all() else values


def _numbers(subjects: np.ndarray) -> np.ndarray:
    """Return subjects as numbers; names, in files of other programs, are numbered in sorted order."""
    if np.issubdtype(subjects.dtype, np.number):
        return subjects.astype(np.int64)
    return np.unique([_text(name) for name in subjects], return_inverse=True)[1]


def _known_form(file: h5py.File, path: str | Path, known: dict[str, tuple[str, ...]]) -> str:
    kind, version = (_text(file.attrs.get(name, b"")) for name in ("type", "version"))
    if version in known.get(kind, ()):
        return kind
    forms = ", ".join(f"{name} {'/'.join(versions)}" for name, versions in known.items())
    raise UserError(
        f"{path} holds {kind or 'nothing from pysaliency'} {version}; supported formats are {forms}. "
        "Write it again with pysaliency 0.2.22."
    )


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
