"""MIT300 as a Lightning data module: maps are predicted and sent in, never scored here."""

from __future__ import annotations

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.mit300 import read_mit300
from explainsal.data.sources import MIT300
from explainsal.datamodules.base import SaliencyDataModule


class MIT300DataModule(SaliencyDataModule):
    """MIT300's images, without ground truth; see `read_mit300` and `SaliencyDataModule`."""

    name = "mit300"
    source = MIT300
    published = ("test",)
    whole = "test"

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_mit300(self.root, reading=self.reading)
