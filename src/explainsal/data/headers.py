"""Read sizes of pictures and arrays from file headers, to check them before memory is allocated."""

from __future__ import annotations

import math
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy
from PIL import Image

from explainsal.errors import CorruptFileError

LARGEST = 178_956_970  # pixels of a picture or map: Pillow's limit against decompression bombs
_NUMBERS = ("double", "single", "logical", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)))

Accept = Callable[[tuple[int, ...]], None]
"""Function that gets the shape from a file's header and raises a `CorruptFileError` if it is not acceptable."""


@dataclass(frozen=True)
class Header:
    """Header of one array.

    Args:
        numeric: Whether it holds numbers, not text, structures or Python objects.
    """

    shape: tuple[int, ...]
    numeric: bool


@dataclass(frozen=True)
class Expected:
    """Required size of a file.

    Args:
        size: Height and width in pixels.
        reason: Reason, e.g. ``its image a.jpg is``; the message continues with the size.
        remedy: Advice for the message.
    """

    size: tuple[int, int]
    reason: str
    remedy: str

    def check(self, path: str | Path, size: tuple[int, ...]) -> None:
        """Compare a size with the required one.

        Raises:
            CorruptFileError: If `size` differs.
        """
        if size != self.size:
            height, width = self.size
            sides = " x ".join(map(str, size))
            raise CorruptFileError(f"{path} is {sides} pixels (H x W), {self.reason} {height} x {width}: {self.remedy}")


def check_pixels(what: str | Path, shape: tuple[int, ...]) -> None:
    """Raise if a shape is impossible for a picture or map.

    Raises:
        CorruptFileError: If a side is 0 or there are more than `LARGEST` pixels.
    """
    sides = " x ".join(map(str, shape))
    if math.prod(shape) == 0:
        raise CorruptFileError(f"{what} is empty ({sides}): write it again")
    if math.prod(shape[:2] if len(shape) == 3 and shape[2] in (3, 4) else shape) > LARGEST:
        raise CorruptFileError(
            f"{what} claims to have {sides} pixels, more than the limit of {LARGEST / 1e6:.0f} million: "
            "shrink or remove it"
        )


def picture_size(source: str | Path | IO[bytes]) -> tuple[int, int]:
    """Return height and width from a picture's header, ignoring EXIF orientation; errors are Pillow's."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # `check_pixels` checks the size
        with Image.open(source) as image:
            return image.height, image.width


def array_headers(path: str | Path, stream: IO[bytes] | None = None) -> dict[str, Header]:
    """Return the headers of the arrays in an ``.npy``, ``.npz`` or ``.mat`` file by name; "" for ``.npy``.

    Args:
        stream: Content of the file if `path` is only a label, e.g. in an archive.
    """
    source: Any = str(path) if stream is None else stream
    if Path(path).suffix.lower() == ".mat":
        return {name: Header(tuple(shape), kind in _NUMBERS) for name, shape, kind in scipy.io.whosmat(source)}
    if Path(path).suffix.lower() == ".npz":
        with zipfile.ZipFile(source) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            return {name.removesuffix(".npy"): _npy_member(archive, name) for name in names}
    if stream is not None:
        return {"": _npy_header(stream)}
    with Path(path).open("rb") as file:
        return {"": _npy_header(file)}


def _npy_member(archive: zipfile.ZipFile, name: str) -> Header:
    with archive.open(name) as member:
        return _npy_header(member)


def _npy_header(file: Any) -> Header:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return Header(shape, dtype.kind in "biufc")
