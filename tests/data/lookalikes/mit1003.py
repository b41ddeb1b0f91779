"""MIT1003 as published: ALLSTIMULI, DATA/<observer>, ALLFIXATIONMAPS, with every oddity of the archives."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import scipy.io
from tests.data.lookalikes.pictures import struct, write_picture

OBSERVERS = ("CNG", "ajs", "emb", "ems", "ff", "hp", "jcw", "jw", "kae", "krl", "po", "tmj", "tu", "ya", "zb")
LONG = "istatic_submitted_mallorca_spain_with_a_name_of_more_than_sixty_three_letters_0371"
SIZES = {"i05june05_street": (48, 64), "i2131443718": (64, 44), LONG: (48, 64)}
STRAY = "i05june05_static_street_boston_p1010764fixPts.jpg"
HOLD = 120  # samples per stop: half a second


def write_mit1003(root: Path, sizes: dict[str, tuple[int, int]] | None = None) -> dict[str, list[np.ndarray]]:
    """The three archives, unpacked; returns where each observer's gaze stopped, (K, 2), per image.

    The first stop is the cross in the middle. The last observer blinks, the one before looks beside the image, and
    files of even observers have the field DATA first, the others fifth.
    """
    sizes = sizes or SIZES
    stops = {}
    for number, (stem, size) in enumerate(sizes.items()):
        write_picture(root / "ALLSTIMULI" / f"{stem}.jpeg", size, number)
        rng = np.random.default_rng(number)
        stops[stem] = [_stops(rng, size, observer) for observer in range(len(OBSERVERS))]
        for observer, where in enumerate(stops[stem]):
            path = root / "DATA" / OBSERVERS[observer] / f"{stem}.mat"
            write_trial(path, stem, np.repeat(where, HOLD, axis=0), data_first=observer % 2 == 0)
        write_maps(root / "ALLFIXATIONMAPS", stem, size, stops[stem])
    scipy.io.savemat(root / "DATA" / "shuff_stimnames.mat", {"names": "x"})
    scipy.io.savemat(root / "DATA" / "CNG" / "CalibrationData.mat", {"calibration": np.eye(3)})
    write_picture(root / "ALLFIXATIONMAPS" / STRAY, (48, 64), gray=True)
    write_picture(root / "ALLSTIMULI" / ".svn" / "old.jpeg", (8, 8))
    (root / "ALLSTIMULI" / "._i05june05_street.jpeg").write_bytes(b"junk")
    return stops


def write_scanpaths(root: Path, sizes: dict[str, tuple[int, int]] | None = None) -> dict[str, list[np.ndarray]]:
    """FixaTons' layout: ``STIMULI`` and ``SCANPATHS/<image>/<observer>``, whole pixels, seconds, a space at the end."""
    stops = {}
    for number, (stem, size) in enumerate((sizes or SIZES).items()):
        write_picture(root / "STIMULI" / f"{stem}.jpeg", size, number)
        rng = np.random.default_rng(number)
        stops[stem] = [np.rint(_stops(rng, size, observer)) for observer in range(len(OBSERVERS))]
        folder = root / "SCANPATHS" / stem
        folder.mkdir(parents=True)
        for observer, where in zip(OBSERVERS, stops[stem], strict=True):
            rows = [f"{x:.0f} {y:.0f} {k / 2:.3f} {k / 2 + 0.4:.3f} \n" for k, (x, y) in enumerate(where)]
            (folder / observer).write_text("".join(rows))
    (root / "SCANPATHS" / ".DS_Store").write_bytes(b"junk")
    return stops


def write_trial(path: Path, stem: str, gaze: np.ndarray, *, data_first: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = struct(trial=np.ones((1, 1)), setup="x", eyeData=gaze.astype(np.float64))
    other = {"session": 1.0, "observer": path.parent.name, "imgName": f"{stem}.jpeg", "rate": 240.0}
    fields = {"DATA": data, **other} if data_first else {**other, "DATA": data}
    scipy.io.savemat(path, {stem[:63]: struct(**fields)}, long_field_names=True, do_compression=True)


def write_maps(folder: Path, stem: str, size: tuple[int, int], stops: list[np.ndarray]) -> None:
    """White points on black as JPEG, grey around them, and a blurred picture."""
    folder.mkdir(parents=True, exist_ok=True)
    points = np.zeros(size, np.uint8)
    for x, y in np.floor(np.concatenate([s[1:] for s in stops])).astype(int):
        if 0 <= x < size[1] and 0 <= y < size[0]:
            points[y, x] = 255
    cv2.imwrite(str(folder / f"{stem}_fixPts.jpg"), points, [cv2.IMWRITE_JPEG_QUALITY, 95])
    blurred = cv2.GaussianBlur(points.astype(np.float32), (0, 0), 4)
    cv2.imwrite(str(folder / f"{stem}_fixMap.jpg"), np.rint(blurred * (255 / blurred.max())).astype(np.uint8))


def _stops(rng: np.random.Generator, size: tuple[int, int], observer: int) -> np.ndarray:
    """The middle, then far corners in turn, so that every move is a saccade."""
    height, width = size
    count = 3 + observer % 3
    corners = np.array([[0.15, 0.15], [0.85, 0.8], [0.8, 0.15], [0.15, 0.85], [0.85, 0.5]])[:count]
    around = corners * (width, height) + rng.integers(-4, 5, (count, 2)) / 4
    stops = np.concatenate([[[width / 2, height / 2]], around])
    if observer == len(OBSERVERS) - 1:
        stops[2] = (-50.0, -50.0)  # a blink
    if observer == len(OBSERVERS) - 2:
        stops[1] = (width + 30.0, 5.0)
    return stops
