"""OSIE as a Lightning data module."""

from __future__ import annotations

from pathlib import Path

from explainsal.data.dataset import SaliencyDataset, Transform
from explainsal.data.fixation_table import Outside
from explainsal.data.osie import SIGMA, read_osie
from explainsal.data.sources import OSIE
from explainsal.datamodules.base import SaliencyDataModule


class OSIEDataModule(SaliencyDataModule):
    """OSIE: train 1001-1350, validation 1351-1400, test 1401-1500; see `read_osie` and `SaliencyDataModule`."""

    name = "osie"
    source = OSIE

    def __init__(
        self,
        root: str | Path,
        *,
        batch_size: int,
        num_workers: int | None = None,
        augmentation: Transform | None = None,
        density_sigma: float = SIGMA,
        outside: Outside = "drop",
        cache: Path | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__(
            root,
            batch_size=batch_size,
            num_workers=num_workers,
            augmentation=augmentation,
            pin_memory=pin_memory,
        )
        self.density_sigma = density_sigma
        self.outside = outside
        self.cache = cache

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one split."""
        return read_osie(self.root, split, density_sigma=self.density_sigma, outside=self.outside, cache=self.cache)
