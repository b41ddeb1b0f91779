"""Picture files to arrays: always RGB, never rotated by an EXIF tag, one clear error for a file that cannot be read.

OpenCV decodes a JPEG of 800 x 600 in half of Pillow's time on one core (benchmarks/loading.py); Pillow reads headers.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from explainsal.errors import CorruptFileError, MissingFilesError

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # damaged files get our message, not two
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def read_image(path: str | Path) -> np.ndarray:
    """Decode a picture to RGB, shape ``(H, W, 3)``, uint8. Grey and palette pictures become RGB, alpha is dropped.

    Fixations were recorded on the stored pixels, so an EXIF orientation is ignored.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is not a picture or is cut short.
    """
    image = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def read_gray(path: str | Path) -> np.ndarray:
    """Decode a picture to grey, shape ``(H, W)``, uint8: published density maps, whatever their colour mode.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is not a picture or is cut short.
    """
    return _decode(path, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)


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


def _decode(path: str | Path, flags: int) -> np.ndarray:
    try:
        encoded = np.fromfile(path, np.uint8)
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
