"""What the data modules of data sets have in common that were published with fixations alone."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Unpack

from explainsal.datamodules.base import DataOptions, SaliencyDataModule, check_sigma


class BlurredDataModule(SaliencyDataModule):
    """A data set that was published with fixations alone: its densities are the fixations, blurred.

    Args:
        root: Folder of the data set.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels; None for the data set's own.
        options: Of `SaliencyDataModule`.
    """

    sigma: ClassVar[float]  # pixels

    def __init__(self, root: str | Path, *, density_sigma: float | None = None, **options: Unpack[DataOptions]) -> None:
        super().__init__(root, **options)
        check_sigma(density_sigma)
        self.density_sigma = self.sigma if density_sigma is None else density_sigma
