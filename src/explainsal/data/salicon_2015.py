"""SALICON's 2015 release in one file per split: the COCO-style JSON of its own page, the .mat of the LSUN challenge.

Both were published beside one .mat file per image, which `explainsal.data.salicon` reads.
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
FOLDERS = ("", "annotations", "fixations")  # below the root, where the files are looked for
BLOCK = 1 << 20  # characters read at a time
AFTER = frozenset(" \t\r\n,:]}")  # what follows a value of JSON
_LONGEST = 16 * BLOCK  # characters of an entry; one with more is damaged
_REMEDY = "Fetch it again, or use the release of one .mat file per image."

Observers = dict[str, list[np.ndarray]]  # stem of an image -> (x, y) of every observer


def lsun_file(root: Path, split: str) -> Path | None:
    """``training.mat`` or ``validation.mat``, if it is there."""
    return _first(root, LSUN[split]) if split in LSUN else None


def json_file(root: Path, split: str) -> Path | None:
    """``fixations_train2014.json`` or ``fixations_val2014.json``, if it is there."""
    return _first(root, f"fixations_{split}2014.json")


def read_lsun(path: Path, field: str) -> Observers:
    """The gaze of all images of a split, from a struct array with the fields ``image``, ``resolution`` and ``gaze``.

    Args:
        path: The file.
        field: ``fixations``, or ``location`` for the mouse samples.

    Returns:
        Arrays ``(K, 2)`` of (x, y) in pixels, float32.

    Raises:
        CorruptFileError: If it is damaged or another file.
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
    """(x, y) of every observer in a struct ``gaze``, whose integers count pixels from 1 and are unsigned.

    Raises:
        ValueError: If an observer's points are not pairs of real numbers.
    """
    observers = [np.asarray(points) for points in gaze[field].flatten()]
    for points in observers:
        if points.size and (points.ndim != 2 or points.shape[1] != 2 or points.dtype.kind not in "iuf"):
            raise ValueError(f"{field} of shape {points.shape}, type {points.dtype}, in place of pairs of numbers")
    return [points.astype(np.float32).reshape(-1, 2) - np.float32(0.5) for points in observers]


def read_json(path: Path) -> Observers:
    """The mouse samples of all images of a split; the file (818 MB for train) is read in pieces.

    It holds ``images`` with ``id`` and ``file_name``, and one of ``annotations`` for each observer and image with
    ``image_id`` and ``fixations``: pairs of row and column from 1.

    Returns:
        Arrays ``(K, 2)`` of (x, y) in pixels, float32.

    Raises:
        CorruptFileError: If it is damaged or another file.
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
    """Key and value of everything in a JSON object, the elements of its arrays one by one.

    Raises:
        ValueError: If the file is no such object or is cut short.
    """
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
    """A file of JSON, of which a piece is in memory."""

    def __init__(self, file: TextIO) -> None:
        self._file, self._text, self._at = file, "", 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is no space."""
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read():
                raise ValueError("it ends too early")

    def take(self, expected: str) -> str:
        """The next character, one of these."""
        found = self.peek()
        if found not in expected:
            raise ValueError(f"{found!r} stands where one of {expected!r} should")
        self._at += 1
        return found

    def value(self) -> Any:
        """The next value, whole."""
        self.peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError:
                if len(self._text) - self._at > _LONGEST or not self._read():
                    raise
                continue
            if self._text[end : end + 1] not in AFTER and self._read():
                continue  # a number goes on
            self._at = end
            return value

    def _read(self) -> bool:
        """Read on, and forget what was taken; False at the end of the file."""
        piece = self._file.read(BLOCK)
        self._text, self._at = self._text[self._at :] + piece, 0
        return bool(piece)


def _first(root: Path, name: str) -> Path | None:
    return next((path for folder in FOLDERS if (path := root / folder / name).is_file()), None)
