"""MIT300 as a Lightning data module, for predicting maps to submit; it cannot be scored locally."""

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
        """Return the images.

        Raises:
            UserError: If a training split is requested, as by a baseline that learns.
        """
        if split not in self.published:
            raise UserError(
                "mit300 has no ground truth: its fixations are not public. Predict its maps and submit them; "
                "evaluate on mit1003 instead"
            )
        return super().dataset(split)

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_mit300(self.root, reading=self.reading)
