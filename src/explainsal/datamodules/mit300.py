"""MIT300 as a Lightning data module: maps are predicted and sent in, never scored here."""

from __future__ import annotations

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.mit300 import read_mit300
from explainsal.data.sources import MIT300
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError


class MIT300DataModule(SaliencyDataModule):
    """MIT300's images, without ground truth; see `read_mit300` and `SaliencyDataModule`."""

    name = "mit300"
    source = MIT300
    published = ("test",)
    secret = "test"
    whole = "test"

    def dataset(self, split: str) -> SaliencyDataset:
        """The images.

        Raises:
            UserError: If a split to train on is asked for, or a baseline that learns.
        """
        if split not in self.published:
            raise UserError(
                "mit300 has no ground truth: its fixations are kept secret. Predict its maps "
                "(python -m explainsal.predict data=mit300 ...) and send them in; evaluate on mit1003 instead"
            )
        return super().dataset(split)

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_mit300(self.root, reading=self.reading)
