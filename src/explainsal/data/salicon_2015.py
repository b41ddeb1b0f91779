"""Read SALICON's 2015 release from one file per split: the COCO-style JSON of its page, or the LSUN challenge's .mat.

Both were published in addition to one .mat file per image, which `explainsal.data.salicon` reads.
Damaged and other files raise a `CorruptFileError`.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from explainsal.data.mat import mat_errors, read_mat

LSUN = {"train": "training.mat", "val": "validation.mat"}
FOLDERS = ("", "annotations", "fixations")  # searched folders below the root
BLOCK = 1 << 20  # characters read at a time
AFTER = frozenset(" \t\r\n,:]}")  # characters that may follow a JSON value
_LONGEST = 16 * BLOCK  # maximum number of characters of an entry
_REMEDY = "Download it again, or use the release with one .mat file per image."

Observers = dict[str, list[np.ndarray]]  # stem of an image -> (x, y) of every observer


def lsun_file(root: Path, split: str) -> Path | None:
    """Return the path of ``training.mat`` or ``validation.mat``, or None."""
    return _first(root, LSUN[split]) if split in LSUN else None


def json_file(root: Path, split: str) -> Path | None:
    """Return the path of ``fixations_train2014.json`` or ``fixations_val2014.json``, or None."""
    return _first(root, f"fixations_{split}2014.json")


def read_lsun(path: Path, field: str) -> Observers:
    """Read the gaze of a split from a struct array with the fields ``image``, ``resolution`` and ``gaze``.

    Args:
        field: ``fixations``, or ``location`` for the mouse samples.

    Returns:
        Arrays ``(K, 2)`` of (x, y) in pixels, float32.
    """
    with mat_errors(path, _REMEDY):
        content = read_mat(path, _REMEDY)
        if len(content) != 1:
            raise ValueError(f"it holds {len(content)} variables, the published one has one")
        (images,) = content.values()
        return {
            Path(str(entry["image"].item())).stem: split_observers(entry["gaze"], field) for entry in images.ravel()
        }


def split_observers(gaze: np.ndarray, field: str) -> list[np.ndarray]:
    """Return (x, y) of every observer in a struct ``gaze``, whose unsigned integers count pixels from 1."""
    observers = [np.asarray(points) for points in gaze[field].flatten()]
    for points in observers:
        if points.size and (points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "iuf"):
            raise ValueError(f"{field} of shape {points.shape}, type {points.dtype}, instead of pairs of numbers")
    return [points.astype(np.float32).reshape(-1, 2) - np.float32(0.5) for points in observers]


def read_json(path: Path) -> Observers:
    """Read the mouse samples of a split; the file (818 MB for train) is read in pieces.

    The file holds ``images`` with ``id`` and ``file_name``, and one entry in ``annotations`` per observer and image
    with ``image_id`` and ``fixations``: pairs of row and column from 1.

    Returns:
        Arrays ``(K, 2)`` of (x, y) in pixels, float32.
    """
    stems: dict[int, str] = {}
    observers: dict[int, list[np.ndarray]] = defaultdict(list)
    with mat_errors(path, _REMEDY):
        for key, value in json_entries(path):
            if key == "images":
                stems[value["id"]] = Path(value["file_name"]).stem
            elif key == "annotations":
                rows_columns = np.array(value["fixations"], np.float32).reshape(-1, 2)
                observers[value["image_id"]].append(rows_columns[:, ::-1] - np.float32(0.5))
        return {stems[number]: points for number, points in observers.items()}


def json_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield key and value of each entry of a JSON object; array elements are yielded one by one."""
    with path.open(encoding="utf-8") as file:
        text = _Text(file)
        text.take("{")
        while True:
            key = text.value()
            text.take(":")
            if text.peek() != "[":
                yield key, text.value()
            else:
                text.take("[")
                more = text.peek() != "]" or text.take("]") == ","
                while more:
                    yield key, text.value()
                    more = text.take(",]") == ","
            if text.take(",}") == "}":
                return


class _Text:
    """JSON file that is read in pieces."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """Return the next character that is not a space."""
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read():
                raise ValueError("it ends too early")

    def take(self, expected: str) -> str:
        """Consume and return the next character, which must be one of `expected`."""
        found = self.peek()
        if found not in expected:
            raise ValueError(f"found {found!r} instead of one of {expected!r}")
        self._at += 1
        return found

    def value(self) -> Any:
        """Consume and return the next complete value."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > _LONGEST or not self._read():
                    raise
                continue
            if self._text[end : end + 1] not in AFTER and self._read():
                continue  # a number may continue
            self._at = end
            return value

    def _read(self) -> bool:
        """Read the next piece and drop the consumed text; return False at the end of the file."""
        piece = self._file.read(BLOCK)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)


def _first(root: Path, name: str) -> Path | None:
    return next((path for folder in FOLDERS if (path := root / folder / name).is_file()), None)
