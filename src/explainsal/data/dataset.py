"""Map-style data set of images with fixations and densities, used by the readers of all data sets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from itertools import pairwise
from pathlib import Path

import numpy as np
from torch.utils.data import Dataset

from explainsal.data.decoding import read_density, read_image
from explainsal.data.density import fixation_density
from explainsal.data.fixation_table import FixationTable
from explainsal.data.headers import Expected
from explainsal.data.pixels import Pictures
from explainsal.data.sample import SaliencySample
from explainsal.errors import UserError

Transform = Callable[[SaliencySample], SaliencySample]


class SaliencyDataset(Dataset[SaliencySample]):
    """Samples decoded on demand; ids, sizes and fixations of all images are available without decoding.

    The density of a sample is the published map, else the fixations blurred with `density_sigma`, else None.

    Args:
        name: Name of the data set, e.g. ``salicon``.
        split: ``train``, ``val``, ``test``, or a name that the reader defines.
        ids: Unique id of each image.
        images: Picture file of each image.
        sizes: Height and width of each image in pixels.
        fixations: Fixations of all images; None if the data set has none.
        maps: File of each published density, see `read_density`; None if the data set has none.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities from fixations.
        release: Published version, e.g. ``2017``.
        transform: Function applied to every sample, e.g. an augmentation.

    Raises:
        ValueError: If the lists differ in length, an id occurs twice, or both `maps` and `density_sigma` are given.
    """

    def __init__(
        self,
        *,
        name: str,
        split: str,
        ids: Sequence[str],
        images: Sequence[str | Path],
        sizes: Sequence[tuple[int, int]] | np.ndarray,
        fixations: FixationTable | None = None,
        maps: Sequence[str | Path] | None = None,
        density_sigma: float | None = None,
        release: str | None = None,
        transform: Transform | None = None,
    ) -> None:
        lengths = {len(part) for part in (ids, images, sizes, maps, fixations) if part is not None}
        if len(lengths) != 1:
            raise ValueError(f"{name}: ids, images, sizes, maps and fixations must have one length, got {lengths}")
        if len(set(ids)) != len(ids):
            raise ValueError(f"{name}: ids must be unique")
        if maps is not None and density_sigma is not None:
            raise ValueError(f"{name}: published maps have their own sigma; give maps or density_sigma")
        self.name = name
        self.split = split
        self.release = release
        self.density_sigma = density_sigma
        self.ids = tuple(ids)
        self.transform = transform
        self._images = Pictures(images, read_image)
        self._maps = Pictures(maps, read_density) if maps is not None else None
        self._sizes = np.asarray(sizes, dtype=np.int32).reshape(-1, 2)
        self._fixations = fixations

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> SaliencySample:
        """Decode one sample.

        Raises:
            CorruptFileError: If a file cannot be read, or image and density differ in size.
            MissingFilesError: If a file does not exist.
        """
        index = range(len(self))[index]
        size = self._size(index)
        image = self._images.read(index, Expected(size, "when the data set was indexed it was", "start again"))
        points = self._fixations.points(index) if self._fixations is not None else None
        sample = SaliencySample(self.ids[index], index, image, points, self._density(index, points))
        return self.transform(sample) if self.transform is not None else sample

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Height and width of every image in pixels."""
        return [self._size(i) for i in range(len(self))]

    @property
    def files(self) -> tuple[str, ...]:
        """Picture file of every image."""
        return self._images.files

    @property
    def map_files(self) -> tuple[str, ...]:
        """File of every published density; empty if the data set has none."""
        return self._maps.files if self._maps is not None else ()

    @property
    def has_fixations(self) -> bool:
        """True if samples have fixation points."""
        return self._fixations is not None

    @property
    def fixations(self) -> FixationTable | None:
        """Fixations of all images; None if the data set has none."""
        return self._fixations

    @property
    def has_density(self) -> bool:
        """True if samples have a density."""
        return self._maps is not None or (self.density_sigma is not None and self.has_fixations)

    @property
    def fixation_count(self) -> int:
        """Total number of fixations."""
        return len(self._fixations.xy) if self._fixations is not None else 0

    @property
    def fixated_images(self) -> int:
        """Number of images with at least one fixation."""
        return int((self._fixations.counts > 0).sum()) if self._fixations is not None else 0

    def all_fixations(self) -> tuple[list[np.ndarray], list[tuple[int, int]]]:
        """Return the fixations and the size of every image without decoding, for shuffled AUC and center bias.

        Returns:
            One ``(N_i, 2)`` float64 array of (x, y) in pixels per image, and one ``(H, W)`` per image.

        Raises:
            UserError: If the data set has no fixations.
        """
        if self._fixations is None:
            raise UserError(
                f"{self.name} {self.split} has no ground truth: its maps can be predicted and explained, not evaluated"
            )
        return [self._fixations.points(i) for i in range(len(self))], self.sizes

    def stored(self, name: str, folder: Path, *, images: bool) -> SaliencyDataset:
        """Return the data set with published maps and, if `images`, pictures stored in decoded form.

        Raises:
            CorruptFileError: If a file cannot be decoded.
        """
        other = copy(self)
        if self._maps is not None:
            other._maps = self._maps.stored(f"{name}-maps", folder, self._sizes)
        if images:
            colour = np.column_stack([self._sizes, np.full(len(self), 3, np.int32)])
            other._images = self._images.stored(f"{name}-images", folder, colour)
        return other

    def observers(self) -> list[np.ndarray]:
        """Return the observer of each fixation: one ``(N_i,)`` array of numbers per image, as in `all_fixations`.

        Raises:
            UserError: If the data set has no fixations.
        """
        self.all_fixations()
        assert self._fixations is not None
        offsets = self._fixations.offsets
        return [self._fixations.observer[a:b] for a, b in pairwise(offsets)]

    def with_transform(self, transform: Transform | None) -> SaliencyDataset:
        """Return the data set with another transform."""
        other = copy(self)
        other.transform = transform
        return other

    def select(self, indices: Sequence[int], *, split: str | None = None) -> SaliencyDataset:
        """Return the data set of selected images in the given order, with new indices."""
        other = copy(self)
        other.split = split or self.split
        other.ids = tuple(self.ids[i] for i in indices)
        other._images = self._images.select(indices)
        other._maps = self._maps.select(indices) if self._maps is not None else None
        other._sizes = self._sizes[list(indices)].reshape(-1, 2)
        other._fixations = self._fixations.select(indices) if self._fixations is not None else None
        return other

    def _size(self, index: int) -> tuple[int, int]:
        height, width = self._sizes[index].tolist()
        return height, width

    def _density(self, index: int, points: np.ndarray | None) -> np.ndarray | None:
        size = self._size(index)
        if self._maps is not None:
            image = f"its image {self._images.files[index]} is"
            return self._maps.read(index, Expected(size, image, "one of them is not the published file"))
        if points is None or self.density_sigma is None:
            return None
        return fixation_density(points, size, self.density_sigma)
