"""MIT1003 as a Lightning data module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.mit1003 import SIGMA, GroundTruth, find_ground_truth, read_mit1003, release_name
from explainsal.data.sources import MIT1003, MIT1003_SCANPATHS
from explainsal.data.splits import every_tenth, held_out, msinet, pysaliency, unisal
from explainsal.datamodules.blurred import BlurredDataModule
from explainsal.datamodules.options import DataOptions


class MIT1003DataModule(BlurredDataModule):
    """MIT1003, published in one part; `split` or `fold` divides it, otherwise it is for testing only.

    The named splits are ``unisal`` (ten folds of train and val; 0 is the published one), ``msinet`` (803 and 200),
    ``pysaliency`` (ten folds of train, val and test), ``held_out`` (803, 100 and 100: ``unisal``'s folds 1 and 0
    validate and test) and ``every_tenth`` (802, 100 and 101).

    Args:
        root: Folder of the data set.
        ground_truth: ``gaze``, ``scanpaths`` or ``maps``, see `read_mit1003`; None: the result of `find_ground_truth`.
        initial_fixation: Keep the first fixation of each trial.
        density_sigma: Standard deviation in pixels of the Gaussian that makes densities of fixations; None: `sigma`.
        options: Options of `SaliencyDataModule`.
    """

    name = "mit1003"
    sigma = SIGMA
    source = MIT1003
    published = ("all",)
    published_eval = "all"
    splits = {  # noqa: RUF012
        "every_tenth": every_tenth,
        "held_out": held_out,
        "unisal": unisal,
        "msinet": msinet(1003, 200),
        "pysaliency": pysaliency,
    }

    def __init__(
        self,
        root: str | Path,
        *,
        ground_truth: GroundTruth | None = None,
        initial_fixation: bool = False,
        density_sigma: float | None = None,
        **options: Unpack[DataOptions],
    ) -> None:
        super().__init__(root, density_sigma=density_sigma, **options)
        self.ground_truth: GroundTruth = ground_truth or find_ground_truth(self.root)
        self.initial_fixation = initial_fixation
        self.release = release_name(self.ground_truth, initial_fixation)
        source = MIT1003
        if self.ground_truth == "scanpaths":
            source = replace(MIT1003, archives=(), counted={"all": MIT1003_SCANPATHS[initial_fixation]})
        if initial_fixation or self.ground_truth == "maps":
            source = replace(source, fixations={})  # their number is not published
        self.source = source

    def read(self, split: str) -> SaliencyDataset:
        """Find and index the images."""
        return read_mit1003(
            self.root,
            ground_truth=self.ground_truth,
            initial_fixation=self.initial_fixation,
            density_sigma=self.density_sigma,
            reading=self.reading,
        )
