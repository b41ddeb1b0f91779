"""Shrink a training split once and keep it in memory, for training small networks over many epochs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from copy import copy
from pathlib import Path

import cv2
import numpy as np
from rich.progress import track
from torch.utils.data import ConcatDataset, Dataset

from explainsal.data.cache import cached_file
from explainsal.data.dataset import SaliencyDataset, Transform
from explainsal.data.sample import SaliencySample
from explainsal.errors import UserError
from explainsal.fetch.fingerprints import fingerprint, fingerprint_files

Predict = Callable[[np.ndarray], np.ndarray]  # picture (H, W, 3), uint8 -> density (H, W)
Arrays = dict[str, np.ndarray]
FORMAT = 1  # increase it when the meaning of a stored file changes, so that older files are rebuilt


class SmallSamples(Dataset[SaliencySample]):
    """Pictures and densities of one small size, without fixations; each density sums to 1.

    Args:
        images: Shape ``(N, H, W, 3)``, uint8, RGB.
        densities: Shape ``(N, H, W)``, float32.
        transform: Function applied to every sample, e.g. an augmentation.
    """

    def __init__(
        self, ids: Sequence[str], images: np.ndarray, densities: np.ndarray, transform: Transform | None = None
    ) -> None:
        self.ids, self.images, self.densities, self.transform = tuple(ids), images, densities, transform

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> SaliencySample:
        """Return the sample of a position."""
        index = range(len(self))[index]
        sample = SaliencySample(self.ids[index], index, self.images[index], None, self.densities[index])
        return self.transform(sample) if self.transform is not None else sample

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every image."""
        return [(int(self.images.shape[1]), int(self.images.shape[2]))] * len(self)

    def with_transform(self, transform: Transform | None) -> SmallSamples:
        """Return the samples with another transform."""
        other = copy(self)
        other.transform = transform
        return other

    def blended(self, densities: np.ndarray, share: float) -> SmallSamples:
        """Return the samples with a share of other densities ``(N, H, W)`` in their targets; all sum to 1."""
        other = copy(self)
        other.densities = ((1 - share) * self.densities + share * densities).astype(np.float32)
        return other


class SmallMixture(ConcatDataset[SaliencySample]):
    """Shrunk samples of several data sets in sequence; all have one size."""

    def __init__(self, parts: Sequence[SmallSamples]) -> None:
        super().__init__(parts)
        self.sizes = [size for part in parts for size in part.sizes]


def shrink_dataset(dataset: SaliencyDataset, size: tuple[int, int], folder: Path | None = None) -> SmallSamples:
    """Return the images and densities of a data set at a small size, from the cache or newly computed.

    Every output pixel is the mean of the area that it covers; the aspect ratio may change.

    Args:
        size: Height and width.
        folder: Cache folder; None disables the cache.

    Raises:
        UserError: If the data set has no densities.
    """
    if not dataset.has_density:
        raise UserError(f"{dataset.name} {dataset.split} has no fixation densities: a network cannot be trained on it")

    def build() -> Arrays:
        images = np.empty((len(dataset), *size, 3), np.uint8)
        densities = np.empty((len(dataset), *size), np.float32)
        for i in track(range(len(dataset)), f"{dataset.name}: shrinking, once", transient=True):
            sample = dataset[i]
            assert sample.density is not None
            images[i], densities[i] = shrink(sample.image, size), shrink_density(sample.density, size)
        return {"images": images, "densities": densities}

    arrays = _cached(_name(dataset, size), _key(dataset, size), build, folder)
    return SmallSamples(dataset.ids, arrays["images"], arrays["densities"])


def predict_densities(
    dataset: SaliencyDataset, predict: Predict, teacher: str, size: tuple[int, int], folder: Path | None = None
) -> np.ndarray:
    """Return a network's shrunk prediction for every image, ``(N, *size)``, computed once and cached.

    Args:
        dataset: The pictures, which the network gets at native size.
        predict: The network as a function of one picture.
        teacher: Text that identifies the network and its weights.
        size: Height and width.
        folder: As for `shrink_dataset`.
    """

    def build() -> Arrays:
        steps = track(range(len(dataset)), f"{dataset.name}: the teacher's densities, once", transient=True)
        return {"densities": np.stack([shrink_density(predict(dataset[i].image), size) for i in steps])}

    key = fingerprint([_key(dataset, size), teacher])
    return _cached(f"{_name(dataset, size)}-teacher", key, build, folder)["densities"]


def shrink(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a picture ``(H, W)`` or ``(H, W, 3)``; every pixel is the mean of the area that it covers."""
    return cv2.resize(picture, (size[1], size[0]), interpolation=cv2.INTER_AREA)


def shrink_density(density: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrink a density to float32 with sum 1; an all-zero density stays zero."""
    small = shrink(density.astype(np.float32), size).astype(np.float64)
    return (small / (small.sum() or 1.0)).astype(np.float32)


def _cached(name: str, key: str, build: Callable[[], Arrays], folder: Path | None) -> Arrays:
    return build() if folder is None else cached_file(folder, name, key, build, _read, _write)


def _read(path: Path) -> Arrays:
    with np.load(path) as stored:
        return dict(stored)


def _write(arrays: Arrays, path: Path) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]


def _name(dataset: SaliencyDataset, size: tuple[int, int]) -> str:
    return f"{dataset.name}-{dataset.split}-{size[0]}x{size[1]}".replace("/", "_").replace(" ", "_")


def _key(dataset: SaliencyDataset, size: tuple[int, int]) -> str:
    """Return a key that changes with the pictures, the maps or fixations, the density sigma, and the size."""
    points = None if dataset.fixations is None else np.ascontiguousarray(dataset.fixations.xy).tobytes()
    files = fingerprint_files((*dataset.files, *dataset.map_files))
    digest = None if points is None else hashlib.sha256(points).hexdigest()
    return fingerprint([FORMAT, size, dataset.density_sigma, files, digest])
