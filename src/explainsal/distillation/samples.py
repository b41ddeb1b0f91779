"""Data on disk that a fit reads once per stage: training images at the model's input size, and maps of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from explainsal.functional.images import as_unit_float, resize


class StoredSamples:
    """Images ``(N, 3, H, W)`` and densities ``(N, H, W)`` in memory-mapped float32 files.

    Args:
        count: Number N of images.
        size: ``(H, W)``.
    """

    def __init__(self, folder: Path, count: int, size: tuple[int, int]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.count, self.size = count, size
        pixels = count * size[0] * size[1]
        self.images = torch.from_file(str(folder / "images.bin"), shared=True, size=3 * pixels).reshape(-1, 3, *size)
        self.density = torch.from_file(str(folder / "density.bin"), shared=True, size=pixels).reshape(-1, *size)
        self.has_density = True

    def fill(self, batches: Iterable[tuple[Tensor, Tensor | None]], progress: Callable[[int], None]) -> StoredSamples:
        """Store images and densities of any size, e.g. native, in order; densities are not normalized."""
        start = 0
        for images, density in batches:
            rows = slice(start, start + len(images))
            self.images[rows] = resize(as_unit_float(images), self.size)
            self.has_density &= density is not None
            if density is not None:
                self.density[rows] = resize(density[:, None].float(), self.size)[:, 0]
            start += len(images)
            progress(len(images))
        if start != self.count:
            raise ValueError(f"{self.count} samples were announced, {start} came")
        return self

    def shrunk(self, size: tuple[int, int], folder: Path) -> StoredSamples:
        """Return the same samples at another size; `self` if the size is the same."""
        if size == self.size:
            return self
        return StoredSamples(folder, self.count, size).fill(self.batches(8)(), lambda images: None)

    def batches(self, size: int) -> Callable[[], Iterator[tuple[Tensor, Tensor | None]]]:
        """Return the iteration of a fit, in batches of `size` images."""

        def start() -> Iterator[tuple[Tensor, Tensor | None]]:
            for rows in torch.arange(self.count).split(size):
                yield self.images[rows], self.density[rows] if self.has_density else None

        return start


class Store:
    """Maps of N images by name, each in a memory-mapped float32 file: computed once, read by later stages.

    Args:
        count: Number N of images.
    """

    def __init__(self, folder: Path, count: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.count = folder, count
        self._maps: dict[str, Tensor] = {}
        self._filled: dict[str, int] = {}

    def get(self, name: str, start: int, count: int) -> Tensor | None:
        """Return the maps of `count` images from `start` on; None if they are not stored yet."""
        if self._filled.get(name, 0) < start + count:
            return None
        return self._maps[name][start : start + count]

    def rows(self, name: str, rows: Tensor) -> Tensor:
        """Return the maps of some images, which must be stored."""
        return self._maps[name][rows]

    def whole(self, name: str) -> Tensor:
        """Return the maps of all images, which must be stored; they stay on disk."""
        return self._maps[name]

    def put(self, name: str, start: int, maps: Tensor) -> None:
        """Store the maps ``(B, ...)`` of the images from `start` on; images must come in order."""
        if name not in self._maps:
            shape = (self.count, *maps.shape[1:])
            file = str(self.folder / f"maps_{len(self._maps)}.bin")
            self._maps[name] = torch.from_file(file, shared=True, size=math.prod(shape)).reshape(shape)
        self._maps[name][start : start + len(maps)] = maps.detach().cpu()
        self._filled[name] = start + len(maps)
