"""Base class of the data modules of data sets that were published without density maps."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Unpack

from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.options import DataOptions, check_sigma


class BlurredDataModule(SaliencyDataModule):
    """Data module of a data set that was published with fixations only; its densities are blurred fixations.

    Args:
        root: Folder of the data set.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels; None for the data set's own.
        options: Options of `SaliencyDataModule`.
    """

    sigma: ClassVar[float]  # pixels

    def __init__(self, root: str | Path, *, density_sigma: float | None = None, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        check_sigma(density_sigma)
        self.density_sigma = self.sigma if density_sigma is None else density_sigma
