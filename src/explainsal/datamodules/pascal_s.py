"""PASCAL-S as a Lightning data module."""

from __future__ import annotations

from explainsal.data.pascal_s import SIGMA, read_pascal_s
from explainsal.data.sources import PASCAL_S
from explainsal.data.splits import msinet
from explainsal.datamodules.blurred import BlurredDataModule


class PASCALSDataModule(BlurredDataModule):
    """PASCAL-S, published in one part; `split` (``msinet``: 650 and 200) or `fold` divides it."""

    name = "pascal_s"
    sigma = SIGMA
    reader = read_pascal_s
    source = PASCAL_S
    published = ("all",)
    published_eval = "all"
    splits = {"msinet": msinet(850, 200)}  # noqa: RUF012
