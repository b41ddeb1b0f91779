"""Write synthetic scenes to disk once in SALICON's layout, and read them with SALICON's reader."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import scipy
from rich.progress import track

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.density import fixation_density
from explainsal.data.reading import Reading
from explainsal.data.salicon import SPLITS, read_layout
from explainsal.data.scenes import Scene, make_scene
from explainsal.errors import UserError
from explainsal.fetch.writing import replaced_file, write_file

VERSION = 2  # increase it when the same settings give other pictures, so that older folders are rewritten
MARKER = "synthetic.json"
FOLDERS = ("images", "maps", "fixations")
SUFFIXES = {"images": ".jpg", "maps": ".png", "fixations": ".mat"}
GAZE = [("location", "O"), ("timestamp", "O"), ("fixations", "O")]


@dataclass(frozen=True)
class SyntheticSettings:
    """Settings that determine every pixel and fixation of a synthetic data set.

    Args:
        size: Height and width in pixels.
        counts: Number of images per split (train, val, test).
        observers: Number of observers per image.
        fixations: Mean number per observer; each has at least 3.
        sigma: Standard deviation in pixels of the Gaussian that blurs fixations into the published map.
        samples: Gaze samples stored per fixation. SALICON's 2017 release has 47; readers skip them.
        name: Stem of the files, with ``{split}`` and ``{number}``.

    Raises:
        ValueError: If a number is not positive, or `counts` does not name the three splits.
    """

    seed: int
    size: tuple[int, int]
    counts: Mapping[str, int]
    observers: int = 15
    fixations: float = 8.0
    sigma: float = 12.0
    samples: int = 1
    name: str = "synthetic_{split}_{number:06d}"

    def __post_init__(self) -> None:
        if set(self.counts) != set(SPLITS) or min([*self.counts.values(), *self.size]) < 1:
            raise ValueError(f"counts of {SPLITS} and size must be positive: got {self.counts}, {self.size}")
        if min(self.observers, self.samples) < 1 or self.fixations < 3 or self.sigma <= 0:
            raise ValueError("observers, samples and sigma must be positive, fixations at least 3")

    def stored(self) -> str:
        """Return the content of the marker file: the settings without the counts, which change no file."""
        settings = asdict(self) | {"counts": None, "size": list(self.size), "version": VERSION}
        return json.dumps(settings, indent=1)

    def generator(self, split: str, number: int) -> np.random.Generator:
        """Return the random generator of one image, independent of all others."""
        return np.random.default_rng([self.seed, SPLITS.index(split), number])


def choose_folder(root: str | Path, settings: SyntheticSettings) -> Path:
    """Return `root`, or a subfolder if `root` holds scenes with other settings, which another run may use."""
    marker = Path(root) / MARKER
    if not marker.is_file() or marker.read_text() == settings.stored():
        return Path(root)
    digest = hashlib.blake2b(settings.stored().encode(), digest_size=4).hexdigest()
    return Path(root) / f"seed{settings.seed}-{settings.size[0]}x{settings.size[1]}-{digest}"


def write_synthetic(root: str | Path, settings: SyntheticSettings) -> int:
    """Write the missing files of a synthetic data set.

    Every file appears complete or not at all, and the same settings give the same pictures, so an interrupted call can
    be resumed. Scenes with other settings are replaced.

    Returns:
        Number of written images; 0 if all existed.

    Raises:
        UserError: If the folder holds another data set, or the disk is full.
    """
    root = Path(root)
    try:
        _claim(root, settings)
        missing = [
            (split, number)
            for split, count in settings.counts.items()
            for number in range(count)
            if not all(path.is_file() for path in _paths(root, settings, split, number).values())
        ]
        for split, number in track(missing, "Painting synthetic scenes, once", transient=True, disable=not missing):
            _write(_paths(root, settings, split, number), *_draw(settings, split, number), settings)
    except OSError as error:
        raise UserError(
            f"cannot write synthetic scenes to {root}: {error.strerror or error}. "
            "Free some space or choose another folder with data.root=FOLDER, then run the same command again to resume."
        ) from error
    return len(missing)


def read_synthetic(
    root: str | Path, split: str, settings: SyntheticSettings, *, reading: Reading | None = None
) -> SaliencyDataset:
    """Read scenes of `write_synthetic`; all three splits have ground truth."""
    dataset = read_layout(
        Path(root),
        split,
        name="synthetic",
        release=f"v{VERSION}-seed{settings.seed}",
        annotated=True,
        reading=reading,
    )
    return dataset.select(range(settings.counts[split]))


def _draw(settings: SyntheticSettings, split: str, number: int) -> tuple[Scene, list[np.ndarray]]:
    rng = settings.generator(split, number)
    scene = make_scene(rng, settings.size)
    counts = 3 + rng.poisson(settings.fixations - 3, settings.observers)
    points = scene.fixations(rng, int(counts.sum()))
    return scene, [_scanpath(part, settings.size) for part in np.split(points, np.cumsum(counts)[:-1])]


def _scanpath(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Order fixations from the center, each followed by its nearest remaining one, independent of the density."""
    left = list(range(len(points)))
    here, order = np.array([size[1] / 2, size[0] / 2]), []
    while left:
        nearest = min(left, key=lambda i: float(((points[i] - here) ** 2).sum()))
        left.remove(nearest)
        order.append(nearest)
        here = points[nearest]
    return points[order]


def _write(paths: dict[str, Path], scene: Scene, observers: list[np.ndarray], settings: SyntheticSettings) -> None:
    pixels = [np.floor(points).astype(np.uint16) + np.uint16(1) for points in observers]  # 1-based, as in SALICON
    centres = np.concatenate(pixels) - 0.5
    density = fixation_density(centres, settings.size, settings.sigma)
    gray = np.round(density * (255 / density.max())).astype(np.uint8)
    bgr = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
    write_file(paths["images"], cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 93])[1].tobytes(), flush=False)
    write_file(paths["maps"], cv2.imencode(".png", gray)[1].tobytes(), flush=False)
    with replaced_file(paths["fixations"], flush=False) as temporary:
        _write_gaze(temporary, paths["fixations"].stem, pixels, settings)


def _write_gaze(path: Path, name: str, observers: list[np.ndarray], settings: SyntheticSettings) -> None:
    gaze = np.zeros((len(observers), 1), dtype=GAZE)
    for k, fixations in enumerate(observers):
        rng = np.random.default_rng(k)
        location = np.repeat(fixations.astype(np.int64), settings.samples, axis=0)
        location = location + np.rint(2 * rng.standard_normal(location.shape)).astype(np.int64)
        location = np.clip(location, 1, settings.size[::-1]).astype(np.uint16)
        timestamp = np.cumsum(rng.integers(12, 21, len(location)))[:, None].astype(np.uint32)
        gaze[k, 0] = (location, timestamp, fixations)
    content = {"image": name, "resolution": np.array([settings.size], np.uint16), "gaze": gaze}
    scipy.io.savemat(path, content, do_compression=True)


def _paths(root: Path, settings: SyntheticSettings, split: str, number: int) -> dict[str, Path]:
    stem = settings.name.format(split=split, number=number)
    return {kind: root / kind / split / f"{stem}{SUFFIXES[kind]}" for kind in FOLDERS}


def _claim(root: Path, settings: SyntheticSettings) -> None:
    """Create the folders; files with other settings are removed, and other data sets are refused."""
    marker = root / MARKER
    if not marker.is_file() and root.is_dir() and any(not path.name.startswith(".") for path in root.iterdir()):
        raise UserError(
            f"{root} holds files other than synthetic scenes: choose an empty or new folder with data.root=FOLDER"
        )
    if marker.is_file() and marker.read_text() == settings.stored():
        missing = [root / kind / split for kind in FOLDERS for split in settings.counts]
        for folder in [folder for folder in missing if not folder.is_dir()]:
            folder.mkdir(parents=True, exist_ok=True)
        return  # a complete data set may be read-only
    if marker.is_file():
        for kind in FOLDERS:
            shutil.rmtree(root / kind, ignore_errors=True)
        marker.unlink()
    for kind in FOLDERS:
        for split in settings.counts:
            (root / kind / split).mkdir(parents=True, exist_ok=True)
    write_file(marker, settings.stored())
