"""Store decoded pictures as plain bytes, which are read ten times as fast as PNG or JPEG.

A split is stored in files of `SHARD` pictures each. A file is written completely or not at all, and its name contains
the fingerprint of its pictures. An interrupted run therefore continues with the next file, and a changed picture
rebuilds only one file.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.progress import track

from explainsal.data.headers import Expected
from explainsal.fetch.fingerprints import fingerprint_files
from explainsal.fetch.writing import remove_abandoned, replaced_file

SHARD = 500
SPARE = 1 << 30  # bytes that must stay free on the disk
Decode = Callable[[str, Expected | None], np.ndarray]

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredPixels:
    """8-bit pictures of known sizes, stored in files of plain bytes.

    Args:
        files: Files of 500 pictures each: 0 to 499 in the first, and so on.
        shapes: Shape ``(n, 2)`` or ``(n, 3)``: height, width and, for color, 3.
    """

    files: tuple[str, ...]
    shapes: np.ndarray

    def read(self, index: int) -> np.ndarray | None:
        """Read picture `index`, uint8; None if its file is missing or incomplete, so that it is decoded again."""
        first = index - index % SHARD
        sizes = self.shapes[first : index + 1].prod(axis=1, dtype=np.int64)
        try:
            values = np.fromfile(self.files[index // SHARD], np.uint8, int(sizes[-1]), offset=int(sizes[:-1].sum()))
        except OSError:
            return None
        return values.reshape(self.shapes[index]) if len(values) == sizes[-1] else None


class Pictures:
    """Picture files, decoded on demand or read from their stored decoded form.

    Args:
        files: Picture file of each image.
        decode: Function of file and required size (None for any) that returns an array ``(H, W)`` or ``(H, W, 3)``.
    """

    def __init__(self, files: Sequence[str | Path], decode: Decode) -> None:
        self.files = tuple(str(file) for file in files)
        self._decode = decode
        self._stored: StoredPixels | None = None
        self._rows = np.arange(len(self.files))  # positions among the stored pictures

    def read(self, index: int, expected: Expected | None = None) -> np.ndarray:
        """Read one picture of the expected size; errors are those of `decode`."""
        stored = self._stored.read(int(self._rows[index])) if self._stored is not None else None
        return self._decode(self.files[index], expected) if stored is None else stored

    def select(self, indices: Sequence[int]) -> Pictures:
        """Return selected pictures in the given order."""
        other = Pictures([self.files[i] for i in indices], self._decode)
        other._stored, other._rows = self._stored, self._rows[list(indices)]
        return other

    def stored(self, name: str, folder: Path, shapes: np.ndarray) -> Pictures:
        """Return the pictures in stored, decoded form; see `store_pixels`."""
        other = Pictures(self.files, self._decode)
        other._stored = store_pixels(name, folder, self.files, shapes, self._decode)
        return other


def store_pixels(
    name: str, folder: Path, pictures: Sequence[str], shapes: np.ndarray, decode: Decode
) -> StoredPixels | None:
    """Decode and store pictures that are new or have changed.

    Args:
        name: Name of the pictures within the folder, e.g. ``salicon-2017-train-maps``.
        shapes: See `StoredPixels`.
        decode: Function of file and None that returns a uint8 array of the shape in `shapes`.

    Returns:
        The stored pictures. None, with a warning, if the disk is too full or read-only, or a picture is not 8-bit or
        has another size; pictures are then decoded each time.

    Raises:
        CorruptFileError: If a picture cannot be decoded.
    """
    starts = range(0, len(pictures), SHARD)
    parts = [range(start, min(start + SHARD, len(pictures))) for start in starts]
    files = [
        folder / f"{name}-{k}-{fingerprint_files(pictures[i] for i in part)}.pixels" for k, part in enumerate(parts)
    ]
    sizes = [int(shapes[part.start : part.stop].prod(axis=1, dtype=np.int64).sum()) for part in parts]
    missing = [k for k, file in enumerate(files) if not file.is_file() or file.stat().st_size != sizes[k]]
    try:
        if missing:
            remove_abandoned(folder)
            _check_space(folder, sum(sizes[k] for k in missing))
        for k in track(missing, f"{name}: decoding, once", transient=True, disable=not missing):
            decoded = (_checked(decode(pictures[i], None), shapes[i], pictures[i]) for i in parts[k])
            _write(files[k], decoded, stale=f"{name}-{k}-*.pixels")
    except (OSError, ValueError) as error:
        log.warning("cannot store decoded pictures in %s (%s); they are decoded each time", folder, error)
        return None
    return StoredPixels(tuple(map(str, files)), shapes)


def _checked(picture: np.ndarray, shape: np.ndarray, file: str) -> np.ndarray:
    if picture.dtype != np.uint8 or picture.shape != tuple(shape):
        raise ValueError(f"{file} is {picture.dtype} of shape {picture.shape}, not uint8 of {tuple(shape.tolist())}")
    return picture


def _check_space(folder: Path, needed: int) -> None:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if free < needed + SPARE:
        raise OSError(f"{needed / 1e9:.1f} GB are needed, {free / 1e9:.1f} GB are free")


def _write(path: Path, pictures: Iterable[np.ndarray], *, stale: str) -> None:
    with replaced_file(path) as temporary, open(temporary, "wb") as file:
        for picture in pictures:
            file.write(np.ascontiguousarray(picture).data)
    for other in path.parent.glob(stale):
        if other != path:
            other.unlink(missing_ok=True)
