"""Toronto as a Lightning data module."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sources import TORONTO
from explainsal.data.toronto import SIGMA, read_toronto
from explainsal.datamodules.base import DataOptions, SaliencyDataModule


class TorontoDataModule(SaliencyDataModule):
    """Toronto, published in one part to test on; `fold` divides it.

    Args:
        root: Folder of the data set; see `read_toronto`.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels.
        options: Of `SaliencyDataModule`.
    """

    name = "toronto"
    source = TORONTO
    published = ("all",)
    published_eval = "all"

    def __init__(self, root: str | Path, *, density_sigma: float = SIGMA, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        self.density_sigma = density_sigma

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_toronto(self.root, density_sigma=self.density_sigma, reading=self.reading)
