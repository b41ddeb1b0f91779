"""PASCAL-S as a Lightning data module."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.pascal_s import SIGMA, read_pascal_s
from explainsal.data.sources import PASCAL_S
from explainsal.data.splits import msinet
from explainsal.datamodules.base import DataOptions, SaliencyDataModule


class PASCALSDataModule(SaliencyDataModule):
    """PASCAL-S, published in one part; `split` (``msinet``: 650 and 200) or `fold` divides it.

    Args:
        root: Folder of the data set; see `read_pascal_s`.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels.
        options: Of `SaliencyDataModule`.
    """

    name = "pascal_s"
    source = PASCAL_S
    published = ("all",)
    published_eval = "all"
    splits = {"msinet": msinet(850, 200)}  # noqa: RUF012

    def __init__(self, root: str | Path, *, density_sigma: float = SIGMA, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        self.density_sigma = density_sigma

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_pascal_s(self.root, density_sigma=self.density_sigma, reading=self.reading)
