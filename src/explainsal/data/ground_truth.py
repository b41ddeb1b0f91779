"""Fixations of one's own: a table ``fixations.csv``, or one binary map per image."""

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
    """A table with one fixation per row: ``image,x,y`` and, where known, ``subject,t,duration``.

    Coordinates are pixels from 0. Whole numbers throughout are numbers of pixels, whose middle is taken (x + 0.5).

    Args:
        path: A comma-separated file with a header, in UTF-8.
        ids: The images; the column ``image`` has these ids or the names of the files, with or without suffix.

    Returns:
        Image id -> its scanpaths, one per subject, in order of `t` where it is known, else of the rows. An image
        without a row is missing.

    Raises:
        MissingFilesError: If a row belongs to no image.
        CorruptFileError: If a column is missing or a number is none.
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
            + (f"The image {like} differs in letter case or in how accents are stored. " if like else "")
            + f"The column image holds paths below images/, such as {ids[0]}."
        )
    frame["image"] = found
    points = frame[["x", "y"]].to_numpy(np.float64)
    frame[["x", "y"]] = points + (0.5 if are_whole([points]) else 0.0)
    frame["subject"] = pd.factorize(frame["subject"], sort=True)[0] if "subject" in frame else 0
    paths: dict[str, list[Scanpath]] = {}
    for _, rows in frame.groupby(["image", "subject"], sort=True):
        paths.setdefault(rows["image"].iloc[0], []).append(_scanpath(rows, int(rows["subject"].iloc[0])))
    return paths


def whole_pixels_to_middles(paths: dict[int, list[Scanpath]]) -> dict[int, list[Scanpath]]:
    """Move points to the middle of their pixels, if all coordinates of a data set are whole numbers."""
    if not are_whole(path.points for image in paths.values() for path in image):
        return paths
    return {n: [Scanpath(p.points + 0.5, p.observer, p.t, p.duration) for p in image] for n, image in paths.items()}


def are_whole(points: Iterable[np.ndarray]) -> bool:
    """Whether all coordinates of a data set are whole numbers, those that are not finite aside: numbers of pixels.

    Example:
        >>> are_whole([np.array([[3.0, np.nan]]), np.zeros((0, 2))]), are_whole([np.array([[3.0, 1.5]])])
        (True, False)
    """
    return all((known == np.floor(known)).all() for known in (part[np.isfinite(part)] for part in points))


def read_binary_map(path: str | Path, image: str | Path) -> np.ndarray:
    """The fixated pixels of a binary map, as points in their middles, shape ``(N, 2)``, in rows from the top.

    A picture counts above 127: JPEG leaves grey around a white point. An array holds 0 and 1, or 0 and 255.

    Args:
        path: A picture, an ``.npy`` file, or a ``.mat`` file with one variable.
        image: The picture that it belongs to.

    Raises:
        CorruptFileError: If it cannot be read, is not binary, or differs from its image in size.
    """
    remedy = "fixation maps are never resized, make it again at the size of the image"
    expected = Expected(image_size(image), f"its image {image} is", remedy)
    read = read_array if Path(path).suffix.lower() in ARRAY_SUFFIXES else read_gray
    return points_of(_is_fixated(read(path, expected), path))


def points_of(fixated: np.ndarray) -> np.ndarray:
    """Middles of the pixels that are true, shape ``(N, 2)``, float64, (x, y).

    Example:
        >>> points_of(np.array([[False, False, True], [True, False, False]])).tolist()
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
            "Densities belong into maps/, numbers of fixations into fixations.csv."
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
        if absent:
            raise CorruptFileError(
                f"{path} lacks the columns {', '.join(absent)}. It needs a header image,x,y and may have "
                f"subject,t,duration; it has {', '.join(map(str, frame.columns))}."
            )
        for name in [name for name in NUMBERS if name in frame]:
            numbers = pd.to_numeric(frame[name], errors="coerce")
            bad = frame.index[numbers.isna() & frame[name].notna()]
            if len(bad):
                raise CorruptFileError(f"{path}, line {bad[0] + 2}: {frame[name][bad[0]]!r} is no number ({name})")
            frame[name] = numbers
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, OSError) as error:
        raise CorruptFileError(f"cannot read {path} as a comma-separated file in UTF-8: {error}") from error
    frame["image"] = frame["image"].fillna("")
    return frame


def _scanpath(rows: pd.DataFrame, subject: int) -> Scanpath:
    timed = "t" in rows and bool(rows["t"].notna().all())
    if timed:
        rows = rows.sort_values("t", kind="stable")
    lasting = "duration" in rows and bool(rows["duration"].notna().any())
    known = {"t": timed, "duration": lasting}
    values = {name: rows[name].to_numpy(np.float64) for name, there in known.items() if there}
    return Scanpath(rows[["x", "y"]].to_numpy(np.float64), subject, **values)
