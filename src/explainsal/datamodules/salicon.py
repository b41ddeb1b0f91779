"""SALICON as a Lightning data module."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Unpack

import torch

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.salicon import GroundTruth, read_salicon, whole_file
from explainsal.data.sources import SALICON, SALICON_MOUSE, Source
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.options import DataOptions, check_sigma

HOLDOUT_SEED = 0  # fixes the held-out training images in every run


class SaliconDataModule(SaliencyDataModule):
    """SALICON; see `read_salicon` and `SaliencyDataModule`.

    The published test split has no ground truth, so papers report the 5,000 images of ``val``; the test loop here uses
    them as well (`eval_split`). Most papers also choose their checkpoint on ``val``. `holdout` = 0 does the same and
    makes numbers comparable with theirs. A larger `holdout` takes that many training images for validation, so that the
    test images are not seen before the test. See docs/decisions/0004.

    Args:
        root: Folder of the data set.
        release: ``2017`` or ``2015``; results of the two are not comparable.
        ground_truth: ``fixations``, or ``mouse``: every sample of the mouse traces.
        density_sigma: Standard deviation in pixels of the Gaussian for densities; None takes the published maps.
        holdout: Training images set aside for validation; 0 validates on ``val``. Folds divide ``train`` as well.
        options: Options of `SaliencyDataModule`; ``eval_split="test"`` is for a submission.

    Raises:
        ValueError: If `holdout` is negative.
    """

    name = "salicon"
    published_eval = "val"
    secret = "test"
    whole = "train"

    def __init__(
        self,
        root: str | Path,
        *,
        release: str,
        ground_truth: GroundTruth = "fixations",
        density_sigma: float | None = None,
        holdout: int = 0,
        **options: Unpack[DataOptions],
    ) -> None:
        super().__init__(root, **options)
        if holdout < 0 or (holdout and self.divided):
            raise ValueError(f"holdout must not be negative, and must be 0 with folds: got {holdout}")
        self.release: str = str(release)
        self.ground_truth: GroundTruth = ground_truth
        check_sigma(density_sigma)
        self.density_sigma = density_sigma
        self.source = self._source()
        self.holdout = holdout
        if holdout:
            self.fit_splits = ("fit", "holdout")
            self.published = (*self.published, *self.fit_splits)

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one split; ``fit`` and ``holdout`` are the two parts of ``train``.

        Raises:
            ValueError: If `holdout` leaves no training image.
        """
        if split not in ("fit", "holdout"):
            return read_salicon(
                self.root,
                split,
                release=self.release,
                ground_truth=self.ground_truth,
                density_sigma=self.density_sigma,
                reading=self.reading,
            )
        train = self._all()
        if self.holdout >= len(train):
            raise ValueError(f"holdout={self.holdout} leaves none of the {len(train)} training images")
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(HOLDOUT_SEED)).tolist()
        part = order[: self.holdout] if split == "holdout" else order[self.holdout :]
        return train.select(sorted(part), split=split)

    def _source(self) -> Source | None:
        """Return the published files that these options need."""
        source = SALICON.get(self.release)
        if source is None:
            return None
        whole = self.release == "2015" and all(whole_file(self.root, s, self.ground_truth) for s in ("train", "val"))
        unused = {"fixations": whole, "maps": self.density_sigma is not None}
        archives = tuple(archive for archive in source.archives if not unused.get(archive.folder))
        counts = source.fixations if self.ground_truth == "fixations" else SALICON_MOUSE[self.release]
        return replace(source, archives=archives, fixations=counts)

    def describe(self) -> str:
        """Describe the data in one line, with a hint if validation and test use the same images."""
        line = super().describe()
        return f"{line} (data.holdout=500 validates on other images)" if self.fit_splits[1] == self.eval_split else line
