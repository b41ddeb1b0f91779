"""OSIE as a Lightning data module."""

from __future__ import annotations

from explainsal.data.osie import SIGMA, read_osie
from explainsal.data.sources import OSIE
from explainsal.data.splits import msinet
from explainsal.datamodules.blurred import BlurredDataModule


class OSIEDataModule(BlurredDataModule):
    """OSIE: train 1001-1350, validation 1351-1400, test 1401-1500, or the split ``msinet`` of all 700 images."""

    name = "osie"
    sigma = SIGMA
    reader = read_osie
    source = OSIE
    published = ("train", "val", "test", "all")
    splits = {"msinet": msinet(700, 200)}  # noqa: RUF012
