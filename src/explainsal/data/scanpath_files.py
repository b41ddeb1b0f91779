"""Read scanpaths from text files, one per image and observer: ``<folder>/<image>/<observer>``, the FixaTons layout.

A row is a fixation, ``x y start end``: pixels, then seconds after image onset. Rows ``x y`` and ``x y start`` are
accepted as well. Another order, or a duration instead of the end, needs a first line with column names, such as ``x y t
duration``. Numbers are separated by spaces, tabs or commas; between commas, an empty cell is a missing number.
A file in another format raises a `CorruptFileError` that names file and line.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from explainsal.data.fixation_table import Scanpath
from explainsal.data.listing import files_below
from explainsal.errors import CorruptFileError

ORDER = ("x", "y", "start", "end")

Files = dict[str, dict[str, str]]  # image -> observer -> file


def list_scanpath_files(folder: str | Path) -> Files:
    """Find the files of every image below a folder; images and observers are sorted by name.

    Example:
        >>> list_scanpath_files("nowhere")
        {}
    """
    found: Files = {}
    for path in files_below(folder, ("", ".txt", ".csv", ".dat")):
        image = Path(os.path.relpath(os.path.dirname(path), folder)).as_posix()
        if image != ".":
            found.setdefault(image, {})[Path(path).stem] = path
    return dict(sorted(found.items()))


def number_observers(files: Files) -> dict[str, int]:
    """Number the observers of all images by their names, so that a person has the same number in every image.

    Example:
        >>> number_observers({"a": {"kim": "a/kim"}, "b": {"ann": "b/ann", "kim": "b/kim"}})
        {'ann': 0, 'kim': 1}
    """
    return {name: k for k, name in enumerate(sorted({name for image in files.values() for name in image}))}


def read_scanpath_files(files: dict[str, str], observers: dict[str, int]) -> list[Scanpath]:
    """Read the scanpaths of one image.

    Args:
        files: Observer -> file.
        observers: Observer -> number.
    """
    return [read_scanpath(path, observers[name]) for name, path in files.items()]


def read_scanpath(path: str | Path, observer: int = 0) -> Scanpath:
    """Read one file, sorted by start time; coordinates are not changed."""
    lines = _lines(path)
    names = _names(lines[0][1]) if lines else None
    rows = lines[1:] if names else lines
    names = names or _usual_names(path, rows)
    columns = dict(zip(names, _numbers(path, rows, len(names)).T, strict=True))
    start = columns.get("start", columns.get("t"))
    duration = columns["end"] - start if "end" in columns and start is not None else columns.get("duration")
    if duration is not None and (duration < 0).any():
        number = rows[int(np.argmax(duration < 0))][0]
        raise CorruptFileError(
            f"{path}, line {number}: the fixation ends before it starts. The assumed columns are "
            f"{' '.join(names)}; name other columns in a first line, such as: x y t duration"
        )
    points = np.stack([columns["x"], columns["y"]], 1)
    order = np.arange(len(points)) if start is None else np.argsort(start, kind="stable")
    start, duration = (None if column is None else column[order] for column in (start, duration))
    return Scanpath(points[order], observer, start, duration)


def _lines(path: str | Path) -> list[tuple[int, list[str]]]:
    """Return number and cells of every non-empty line."""
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise CorruptFileError(f"cannot read {path} as a text file of fixations: {error}") from error
    lines = enumerate(text.splitlines(), 1)
    return [(number, _cells(line)) for number, line in lines if line.strip()]


def _cells(line: str) -> list[str]:
    return [cell.strip() or "nan" for cell in line.split(",")] if "," in line else line.split()


def _names(cells: Sequence[str]) -> list[str] | None:
    """Return the column names if the first line holds them, else None."""
    names = [cell.lower() for cell in cells]
    return names if {"x", "y"} <= set(names) else None


def _usual_names(path: str | Path, rows: list[tuple[int, list[str]]]) -> list[str]:
    width = len(rows[0][1]) if rows else len(ORDER)
    if not 2 <= width <= len(ORDER):
        raise CorruptFileError(
            f"{path}, line {rows[0][0]}: {width} columns. A row must be {' '.join(ORDER)}; name other columns in a "
            "first line, such as: x y t duration"
        )
    return list(ORDER[:width])


def _numbers(path: str | Path, rows: list[tuple[int, list[str]]], width: int) -> np.ndarray:
    uneven = [number for number, cells in rows if len(cells) != width]
    if uneven:
        raise CorruptFileError(f"{path}, line {uneven[0]}: expected {width} columns as in the lines before")
    try:
        return np.array([cells for _, cells in rows], np.float64).reshape(-1, width)
    except ValueError as error:
        for number, cells in rows:
            for cell in cells:
                if not _is_number(cell):
                    raise CorruptFileError(f"{path}, line {number}: {cell!r} is not a number") from error
        raise


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
