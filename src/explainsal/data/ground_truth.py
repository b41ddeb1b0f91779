"""Read your own fixations from a table ``fixations.csv`` or from one binary map per image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from explainsal.data.decoding import ARRAY_SUFFIXES, image_size, read_array, read_gray
from explainsal.data.fixation_table import Scanpath
from explainsal.data.headers import Expected
from explainsal.data.listing import spelling
from explainsal.errors import CorruptFileError, MissingFilesError

COLUMNS = ("image", "x", "y")
NUMBERS = ("x", "y", "t", "duration")


def read_fixation_table(path: str | Path, ids: Sequence[str]) -> dict[str, list[Scanpath]]:
    """Read a table with one fixation per row: ``image,x,y`` and, if known, ``subject,t,duration``.

    Coordinates are pixels from 0. If all are whole numbers, they are pixel indices, and x + 0.5 is used.

    Args:
        path: A comma-separated file with a header, in UTF-8.
        ids: Image ids; the column ``image`` holds these ids or file names, with or without suffix.

    Returns:
        Image id -> scanpaths, one per subject, in order of `t` if known, else in row order. Images without rows are
        omitted.

    Raises:
        MissingFilesError: If a row names an unknown image.
        CorruptFileError: If a column is missing or a value is not a number.
    """
    frame = _read_csv(path)
    known = {name: name for name in ids}
    found = [known.get(name, known.get(str(Path(name).with_suffix("")), "")) for name in frame["image"]]
    stray = [row for row, name in enumerate(found) if not name]
    if stray:
        name = frame["image"].iloc[stray[0]]
        close = {spelling(key): key for key in ids}
        like = close.get(spelling(name)) or close.get(spelling(str(Path(name).with_suffix(""))))
        raise MissingFilesError(
            f"{path}: {len(stray)} fixations belong to no image, the first in line {stray[0] + 2} ({name!r}). "
            + (f"The image {like} differs only in letter case or in the encoding of accents. " if like else "")
            + f"The column image must hold paths below images/, such as {ids[0]}."
        )
    subjects = pd.factorize(frame["subject"], sort=True)[0] if "subject" in frame else np.zeros(len(frame), int)
    points = frame[["x", "y"]].to_numpy(np.float64)
    points = points + (0.5 if are_whole([points]) else 0.0)
    times, durations = _column(frame, "t"), _column(frame, "duration")
    paths: dict[str, list[Scanpath]] = {}
    for rows in _rows_per_scanpath(np.array(found), subjects, times):
        timed, lasting = not np.isnan(times[rows]).any(), not np.isnan(durations[rows]).all()
        scanpath = Scanpath(
            points[rows],
            int(subjects[rows[0]]),
            times[rows] if timed else None,
            durations[rows] if lasting else None,
        )
        paths.setdefault(found[rows[0]], []).append(scanpath)
    return paths


def _rows_per_scanpath(images: np.ndarray, subjects: np.ndarray, times: np.ndarray) -> list[np.ndarray]:
    """Return the rows of each image and subject, sorted by time if all times are known."""
    number = np.unique(images, return_inverse=True)[1].reshape(-1)
    scanpath = number * (int(subjects.max(initial=0)) + 2) + subjects + 1  # a row without a subject has -1
    scanpath = np.unique(scanpath, return_inverse=True)[1].reshape(-1)
    untimed = np.bincount(scanpath, np.isnan(times)) > 0
    order = np.lexsort((np.where(untimed[scanpath], 0.0, times), scanpath)) if len(scanpath) else scanpath
    return np.split(order, np.flatnonzero(np.diff(scanpath[order])) + 1) if len(order) else []


def whole_pixels_to_middles(paths: dict[str, list[Scanpath]]) -> dict[str, list[Scanpath]]:
    """Move points to the center of their pixels if all coordinates of a data set are whole numbers."""
    if not are_whole(path.points for image in paths.values() for path in image):
        return paths
    return {n: [Scanpath(p.points + 0.5, p.observer, p.t, p.duration) for p in image] for n, image in paths.items()}


def are_whole(points: Iterable[np.ndarray]) -> bool:
    """Return whether all finite coordinates of a data set are whole numbers, which denote pixel indices.

    Example:
        >>> are_whole([np.array([[3.0, np.nan]]), np.zeros((0, 2))]), are_whole([np.array([[3.0, 1.5]])])
        (True, False)
    """
    return all((known == np.floor(known)).all() for known in (part[np.isfinite(part)] for part in points))


def read_binary_map(path: str | Path, image: str | Path) -> np.ndarray:
    """Return the centers of the fixated pixels of a binary map, shape ``(N, 2)``, in rows from the top.

    Pictures are thresholded at 127, since JPEG leaves gray around a white point. Arrays hold 0 and 1, or 0 and 255.

    Args:
        path: A picture, an ``.npy`` file, or a ``.mat`` file with one variable.

    Raises:
        CorruptFileError: If the map cannot be read, is not binary, or differs in size from its image.
    """
    remedy = "fixation maps are never resized: create it at the size of the image"
    expected = Expected(image_size(image), f"its image {image} is", remedy)
    read = read_array if Path(path).suffix.lower() in ARRAY_SUFFIXES else read_gray
    return find_points(_is_fixated(read(path, expected), path))


def find_points(fixated: np.ndarray) -> np.ndarray:
    """Return the centers (x, y) of the true pixels, shape ``(N, 2)``, float64.

    Example:
        >>> find_points(np.array([[False, False, True], [True, False, False]])).tolist()
        [[2.5, 0.5], [0.5, 1.5]]
    """
    rows, columns = np.nonzero(fixated)
    return np.stack([columns, rows], 1) + 0.5


def _is_fixated(values: np.ndarray, path: str | Path) -> np.ndarray:
    peak = float(values.max()) if values.size else 0.0
    if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
        return values > (0 if peak <= 1 else 127)
    if not np.isin(values, (0, peak)).all() or peak not in (0, 1, 255):
        raise CorruptFileError(
            f"{path} is not a binary map: it holds other values than 0 and 1, or 0 and 255 (up to {peak:g}). "
            "Put densities into maps/ and repeated fixations into fixations.csv."
        )
    return values > 0


def _read_csv(path: str | Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path,
            dtype={"image": str, "subject": str},
            encoding="utf-8-sig",
            skipinitialspace=True,
            keep_default_na=False,  # an image may be called NA
            na_values=dict.fromkeys(NUMBERS, ("", "NA", "NaN", "nan")),
        )
        absent = [name for name in COLUMNS if name not in frame]
        if absent and len(frame.columns) == 1 and ";" in str(frame.columns[0]):
            raise CorruptFileError(
                f"{path}, line 1: {str(frame.columns[0])!r} is separated by semicolons; use commas "
                "between columns and decimal points: image,x,y"
            )
        if absent:
            raise CorruptFileError(
                f"{path} lacks the columns {', '.join(absent)}. It needs a header image,x,y and may have "
                f"subject,t,duration; it has {', '.join(map(str, frame.columns))}."
            )
        for name in [name for name in NUMBERS if name in frame]:
            numbers = pd.to_numeric(frame[name], errors="coerce")
            bad = frame.index[numbers.isna() & frame[name].notna()]
            if len(bad):
                raise CorruptFileError(
                    f"{path}, line {bad[0] + 2}: {frame[name][bad[0]]!r} is not a number ({name}); "
                    "leave the field of a missing value empty"
                )
            frame[name] = numbers
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise CorruptFileError(f"cannot read {path} as a comma-separated file in UTF-8: {error}") from error
    frame["image"] = frame["image"].fillna("")
    return frame


def _column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """Return a column of numbers, all NaN if the table lacks it."""
    return frame[name].to_numpy(np.float64) if name in frame else np.full(len(frame), np.nan)
