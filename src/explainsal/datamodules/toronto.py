"""Toronto as a Lightning data module."""

from __future__ import annotations

from explainsal.data.sources import TORONTO
from explainsal.data.toronto import SIGMA, read_toronto
from explainsal.datamodules.blurred import BlurredDataModule


class TorontoDataModule(BlurredDataModule):
    """Toronto, published in one part for testing; `fold` divides it."""

    name = "toronto"
    sigma = SIGMA
    reader = read_toronto
    source = TORONTO
    published = ("all",)
    published_eval = "all"
