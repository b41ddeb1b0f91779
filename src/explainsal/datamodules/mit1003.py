"""MIT1003 as a Lightning data module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.mit1003 import SIGMA, GroundTruth, read_mit1003
from explainsal.data.sources import MIT1003
from explainsal.data.splits import held_out, msinet, pysaliency, unisal
from explainsal.datamodules.base import DataOptions
from explainsal.datamodules.blurred import BlurredDataModule


class MIT1003DataModule(BlurredDataModule):
    """MIT1003, which is published in one part: `split` or `fold` divides it; without either it is for tests alone.

    The named splits are ``unisal`` (ten folds of train and val; 0 is the published one), ``msinet`` (803 and 200),
    ``pysaliency`` (ten folds of train, val and test) and ``held_out`` (803, 100 and 100: ``unisal``'s folds 1 and 0
    validate and test).

    Args:
        root: Folder of the data set.
        ground_truth: ``gaze`` or ``maps``; see `read_mit1003`.
        initial_fixation: Keep the first fixation of each trial.
        density_sigma: Standard deviation of the Gaussian that makes densities of ``gaze``, in pixels; None for `sigma`.
        options: Of `SaliencyDataModule`.
    """

    name = "mit1003"
    sigma = SIGMA
    source = MIT1003
    published = ("all",)
    published_eval = "all"
    splits = {  # noqa: RUF012
        "held_out": held_out,
        "unisal": unisal,
        "msinet": msinet(1003, 200),
        "pysaliency": pysaliency,
    }

    def __init__(
        self,
        root: str | Path,
        *,
        ground_truth: GroundTruth = "gaze",
        initial_fixation: bool = False,
        density_sigma: float | None = None,
        **options: Unpack[DataOptions],
    ) -> None:
        super().__init__(root, density_sigma=density_sigma, **options)
        self.ground_truth: GroundTruth = ground_truth
        self.initial_fixation = initial_fixation
        self.release = "gaze with initial fixation" if initial_fixation else ground_truth
        if self.release != "gaze":
            self.source = replace(MIT1003, fixations={})  # no one published how many these are

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_mit1003(
            self.root,
            ground_truth=self.ground_truth,
            initial_fixation=self.initial_fixation,
            density_sigma=self.density_sigma,
            reading=self.reading,
        )
