"""Decode picture files to arrays: always RGB, without EXIF rotation, with clear errors for unreadable files.

All readers raise `MissingFilesError` if there is no such file, and `CorruptFileError` if it cannot be read, is not a
picture or map, or is of another size than `expected`, which is compared with the header before decoding.

OpenCV decodes a JPEG of 800 x 600 in two thirds of Pillow's time (4.0 and 5.9 ms of CPU); Pillow reads headers.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import IO

import cv2
import numpy as np
from PIL import Image

from explainsal.data.headers import LARGEST, Accept, Expected, array_headers, check_pixels, picture_size
from explainsal.data.mat import mat_errors, read_mat
from explainsal.errors import CorruptFileError, MissingFilesError

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # damaged files get only our message
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
OTHER_SUFFIXES = (".gif", ".heic", ".heif", ".avif", ".jp2", ".jxl", ".ppm", ".pgm", ".tga", ".psd", ".svg", ".eps")
"""Suffixes of unsupported pictures, for warnings."""
ARRAY_SUFFIXES = (".npy", ".mat")


def read_image(path: str | Path, expected: Expected | None = None) -> np.ndarray:
    """Decode a picture to RGB, shape ``(H, W, 3)``, uint8. Gray and palette pictures become RGB; alpha is dropped.

    EXIF orientation is ignored, since fixations were recorded on the stored pixels.
    """
    return _decode(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION, expected)


def read_gray(path: str | Path, expected: Expected | None = None) -> np.ndarray:
    """Decode a picture to gray, shape ``(H, W)``, uint8, for published density maps of any color mode."""
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION, expected)


def read_density(path: str | Path, expected: Expected | None = None) -> np.ndarray:
    """Read a fixation density, shape ``(H, W)``; 8-bit pictures as uint8, 16-bit pictures and arrays as float32.

    Args:
        path: A picture, an ``.npy`` file, or a ``.mat`` file with one variable.
        expected: Required size, compared with the header before reading.
    """
    if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
        gray = _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION, expected)
        return gray if gray.dtype == np.uint8 else gray.astype(np.float32)
    values = read_array(path, expected).astype(np.float32)
    if not np.isfinite(values).all() or (values < 0).any():
        raise CorruptFileError(
            f"{path} is not a fixation density: it has negative or infinite values, or NaN. "
            "If the values are logarithms of densities, store their exponentials."
        )
    return values


def read_array(path: str | Path, expected: Expected | None = None) -> np.ndarray:
    """Read a map, shape ``(H, W)``, from an ``.npy`` file or a ``.mat`` file with one variable."""
    remedy = "Write it again as a two-dimensional array of numbers."
    with mat_errors(path, remedy):
        headers = array_headers(path)
    if len(headers) != 1:
        raise CorruptFileError(f"{path} holds {sorted(headers)}, but a map file has one variable. {remedy}")
    ((name, header),) = headers.items()
    if len(header.shape) != 2 or not header.numeric:
        raise CorruptFileError(f"{path} is not a map: it has shape {header.shape}, or is not numeric. {remedy}")
    check_pixels(path, header.shape)
    if expected is not None:
        expected.check(path, header.shape)
    values = read_variable(path, name, remedy)
    if np.iscomplexobj(values):
        raise CorruptFileError(f"{path} is not a map: its numbers are complex. {remedy}")
    return values


def read_variable(path: str | Path, name: str, remedy: str, stream: IO[bytes] | None = None) -> np.ndarray:
    """Read one of the arrays that `array_headers` lists for a file.

    Args:
        name: Name of the array; "" in an ``.npy`` file.
        remedy: Advice at the end of the error message, about how to get the file again.
        stream: Content of the file if `path` is only a label, e.g. in an archive.
    """
    if Path(path).suffix.lower() == ".mat":
        values: np.ndarray = read_mat(path, remedy, stream, variable_names=[name])[name]
        return values
    with mat_errors(path, remedy):
        loaded = np.load(path if stream is None else stream, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return loaded
        with loaded:
            return np.asarray(loaded[name])


def read_stored(path: str | Path, accept: Accept | None = None, content: bytes | None = None) -> np.ndarray:
    """Read a picture as stored: ``(H, W)``, or ``(H, W, 3)`` in OpenCV's channel order, with any bit depth.

    Args:
        accept: Function called with height and width before decoding.
        content: Bytes of the file if `path` is only a label, e.g. in an archive.
    """
    encoded = _encoded(path) if content is None else np.frombuffer(content, np.uint8)
    size = _read_size(path, BytesIO(encoded.data))
    if accept is not None:
        accept(size)
    return _decoded(path, encoded, cv2.IMREAD_UNCHANGED)


def image_size(path: str | Path) -> tuple[int, int]:
    """Read height and width in pixels from the header, ignoring EXIF orientation."""
    return _read_size(path, path)


def _read_size(path: str | Path, source: str | Path | IO[bytes]) -> tuple[int, int]:
    try:
        size = picture_size(source)
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such picture: {path}") from error
    except Image.DecompressionBombError as error:
        raise CorruptFileError(
            f"{path} claims to have more than {LARGEST / 1e6:.0f} million pixels, which is over the limit: "
            "shrink or remove it"
        ) from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _corrupt(path) from error
    check_pixels(path, size)
    return size


def _decode(path: str | Path, flags: int, expected: Expected | None) -> np.ndarray:
    encoded = _encoded(path)
    size = _read_size(path, BytesIO(encoded.data))
    if expected is not None:
        expected.check(path, size)
    return _decoded(path, encoded, flags)


def _encoded(path: str | Path) -> np.ndarray:
    try:
        return np.fromfile(path, np.uint8)
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such picture: {path}") from error
    except OSError as error:
        raise CorruptFileError(f"cannot read the picture {path}: {error.strerror or error}") from error


def _decoded(path: str | Path, encoded: np.ndarray, flags: int) -> np.ndarray:
    try:
        image = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:
        raise _corrupt(path) from error
    if image is None:
        raise _corrupt(path)
    return image


def _corrupt(path: str | Path) -> CorruptFileError:
    return CorruptFileError(
        f"cannot read the picture {path}: it is damaged, incomplete or not a picture. "
        "Unpack or copy it again, or remove it."
    )
