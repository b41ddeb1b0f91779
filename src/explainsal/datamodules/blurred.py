"""Base class of the data modules of data sets that were published without density maps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar, Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.options import DataOptions, check_sigma


class BlurredDataModule(SaliencyDataModule):
    """Data module of a data set that was published with fixations only; its densities are blurred fixations.

    Args:
        root: Folder of the data set.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels; None for the data set's own.
        options: Options of `SaliencyDataModule`.
    """

    sigma: ClassVar[float]  # pixels
    reader: ClassVar[Callable[..., SaliencyDataset]]  # called with root and split, or with root alone

    def __init__(self, root: str | Path, *, density_sigma: float | None = None, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        check_sigma(density_sigma)
        self.density_sigma = self.sigma if density_sigma is None else density_sigma

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one published part."""
        parts = (split,) if len(self.published) > 1 else ()
        return type(self).reader(self.root, *parts, density_sigma=self.density_sigma, reading=self.reading)
