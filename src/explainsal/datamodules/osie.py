"""OSIE as a Lightning data module."""

from __future__ import annotations

from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.osie import SIGMA, read_osie
from explainsal.data.sources import OSIE
from explainsal.data.splits import msinet
from explainsal.datamodules.base import DataOptions, SaliencyDataModule


class OSIEDataModule(SaliencyDataModule):
    """OSIE: train 1001-1350, validation 1351-1400, test 1401-1500, or ``split=msinet`` of all 700 images.

    Args:
        root: Folder of the data set; see `read_osie`.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels.
        options: Of `SaliencyDataModule`.
    """

    name = "osie"
    source = OSIE
    published = ("train", "val", "test", "all")
    splits = {"msinet": msinet(700, 200)}  # noqa: RUF012

    def __init__(self, root: str | Path, *, density_sigma: float = SIGMA, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        self.density_sigma = density_sigma

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one split."""
        return read_osie(self.root, split, density_sigma=self.density_sigma, reading=self.reading)
