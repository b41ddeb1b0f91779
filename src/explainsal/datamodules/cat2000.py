"""CAT2000 as a Lightning data module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from explainsal.data.cat2000 import SIGMA, GroundTruth, read_cat2000
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sources import CAT2000
from explainsal.data.splits import msinet_cat2000
from explainsal.datamodules.blurred import BlurredDataModule
from explainsal.datamodules.options import DataOptions


class CAT2000DataModule(BlurredDataModule):
    """CAT2000: part ``all`` has 2000 images with fixations, ``test`` (`eval_split`) 2000 without, for submissions.

    `split` (``msinet``: 1600 and 400) or `fold` divides ``all``; folds are stratified by the 20 categories.

    Args:
        root: Folder of the data set.
        ground_truth: ``scanpaths`` or ``maps``; see `read_cat2000`.
        density_sigma: Standard deviation of the Gaussian that makes densities, in pixels; None for `sigma`.
        options: Options of `SaliencyDataModule`.
    """

    name = "cat2000"
    sigma = SIGMA
    source = CAT2000
    published = ("all", "test")
    published_eval = "all"
    secret = "test"
    grouped = True
    splits = {"msinet": msinet_cat2000}  # noqa: RUF012

    def __init__(
        self,
        root: str | Path,
        *,
        ground_truth: GroundTruth = "scanpaths",
        density_sigma: float | None = None,
        **options: Unpack[DataOptions],
    ) -> None:
        super().__init__(root, density_sigma=density_sigma, **options)
        self.ground_truth: GroundTruth = ground_truth
        self.release = ground_truth
        if ground_truth != "scanpaths":
            self.source = replace(CAT2000, fixations={})  # their number is not published

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one part."""
        return read_cat2000(
            self.root,
            split,
            ground_truth=self.ground_truth,
            density_sigma=self.density_sigma,
            reading=self.reading,
        )
