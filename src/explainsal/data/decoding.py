"""Picture files to arrays: always RGB, never rotated by an EXIF tag, one clear error for a file that cannot be read.

OpenCV decodes a JPEG of 800 x 600 in two thirds of Pillow's time (4.0 and 5.9 ms of CPU); Pillow reads headers.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from explainsal.data.mat import mat_errors, read_mat
from explainsal.errors import CorruptFileError, MissingFilesError

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # damaged files get our message, not two
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
ARRAY_SUFFIXES = (".npy", ".mat")


def read_image(path: str | Path) -> np.ndarray:
    """Decode a picture to RGB, shape ``(H, W, 3)``, uint8. Grey and palette pictures become RGB, alpha is dropped.

    Fixations were recorded on the stored pixels, so an EXIF orientation is ignored.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is not a picture or is cut short.
    """
    return _decode(path, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def read_gray(path: str | Path) -> np.ndarray:
    """Decode a picture to grey, shape ``(H, W)``, uint8: published density maps, whatever their colour mode.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is not a picture or is cut short.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


def read_density(path: str | Path) -> np.ndarray:
    """Read a fixation density, shape ``(H, W)``: 8-bit pictures as uint8, 16-bit ones and arrays as float32.

    Args:
        path: A picture, an ``.npy`` file, or a ``.mat`` file with one variable.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it cannot be read, is no map, or has a negative value or one that is no number.
    """
    if Path(path).suffix.lower() not in ARRAY_SUFFIXES:
        gray = _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION)
        return gray if gray.dtype == np.uint8 else gray.astype(np.float32)
    values = read_array(path).astype(np.float32)
    if not np.isfinite(values).all() or (values < 0).any():
        raise CorruptFileError(
            f"{path} is no fixation density: it has negative or infinite values, or NaN. "
            "Logarithms of densities have to be exponentiated before they are stored as a density."
        )
    return values


def read_array(path: str | Path) -> np.ndarray:
    """Read a map, shape ``(H, W)``, from an ``.npy`` file or a ``.mat`` file with one variable.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it cannot be read, or is no two-dimensional array of numbers.
    """
    remedy = "Write it again as a two-dimensional array of numbers."
    variables = read_variables(path, remedy)
    if len(variables) != 1:
        raise CorruptFileError(f"{path} holds {sorted(variables)}: a map is a file with one variable. {remedy}")
    (values,) = variables.values()
    if values.ndim != 2 or not (np.issubdtype(values.dtype, np.number) or values.dtype == bool):
        raise CorruptFileError(f"{path} is no map: shape {values.shape}, type {values.dtype}. {remedy}")
    if np.iscomplexobj(values):
        raise CorruptFileError(f"{path} is no map: its numbers are complex. {remedy}")
    return values


def read_variables(path: str | Path, remedy: str, stream: BinaryIO | None = None) -> dict[str, np.ndarray]:
    """The arrays in an ``.npy``, ``.npz`` or ``.mat`` file by name; the one of an ``.npy`` file has none.

    Args:
        path: The file.
        remedy: Ends the error message: how to get the file again.
        stream: Its content, where `path` is only what it is called, e.g. in an archive.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it cannot be read.
    """
    if Path(path).suffix.lower() == ".mat":
        return read_mat(path, remedy, stream)
    with mat_errors(path, remedy):
        loaded = np.load(path if stream is None else stream, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}


def read_stored(path: str | Path, content: bytes | None = None) -> np.ndarray:
    """A picture as it is stored: ``(H, W)``, or ``(H, W, 3)`` in OpenCV's order of colours, of any depth.

    Args:
        path: The picture.
        content: Its bytes, where `path` is only what it is called, e.g. in an archive.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is not a picture or is cut short.
    """
    return _decode(path, cv2.IMREAD_UNCHANGED, content)


def image_size(path: str | Path) -> tuple[int, int]:
    """Height and width in pixels from the header alone, EXIF orientation ignored.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the header is not that of a picture.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such picture: {path}") from error
    except (OSError, ValueError, SyntaxError) as error:
        raise _corrupt(path) from error


def _decode(path: str | Path, flags: int, content: bytes | None = None) -> np.ndarray:
    try:
        encoded = np.fromfile(path, np.uint8) if content is None else np.frombuffer(content, np.uint8)
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such picture: {path}") from error
    except OSError as error:
        raise CorruptFileError(f"cannot read the picture {path}: {error.strerror or error}") from error
    try:
        image = cv2.imdecode(encoded, flags) if encoded.size else None
    except cv2.error as error:
        raise _corrupt(path) from error
    if image is None:
        raise _corrupt(path)
    return image


def _corrupt(path: str | Path) -> CorruptFileError:
    return CorruptFileError(
        f"cannot read the picture {path}: it is damaged, cut short or no picture at all. "
        "Unpack or copy it again, or remove it."
    )
