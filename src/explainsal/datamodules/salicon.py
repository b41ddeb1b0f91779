"""SALICON as a Lightning data module."""

from __future__ import annotations

from pathlib import Path

import torch

from explainsal.data.dataset import SaliencyDataset, Transform
from explainsal.data.fixation_table import Outside
from explainsal.data.salicon import read_salicon
from explainsal.data.sources import SALICON
from explainsal.datamodules.base import SaliencyDataModule

HOLDOUT_SEED = 0  # which training images are held out: the same in every run


class SaliconDataModule(SaliencyDataModule):
    """SALICON; see `read_salicon` and `SaliencyDataModule`.

    The published test split has no ground truth, so papers report the 5,000 images of ``val``, and so does the test
    loop here (`eval_split`). Most of them also choose their checkpoint on ``val``: `holdout` = 0 does the same and
    makes numbers comparable with theirs; a larger `holdout` takes that many training images for validation, so that
    the test images are not seen before the test. See docs/decisions/0004.

    Args:
        root: Folder of the data set.
        release: ``2017`` or ``2015``; results of the two are not comparable.
        batch_size: Images per batch and process.
        num_workers: Worker processes per loader.
        holdout: Training images set aside for validation; 0 validates on ``val``.
        augmentation: Applied to the training images.
        eval_split: ``val``, or ``test`` for a submission.
        outside: What becomes of fixations outside their image: ``drop`` or ``error``.
        cache: Folder for the parsed fixations; by default beside the data.
        pin_memory: Page-locked batches; by default where CUDA is.
    """

    name = "salicon"

    def __init__(
        self,
        root: str | Path,
        *,
        release: str,
        batch_size: int,
        num_workers: int | None = None,
        holdout: int = 0,
        augmentation: Transform | None = None,
        eval_split: str = "val",
        outside: Outside = "drop",
        cache: Path | None = None,
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__(
            root,
            batch_size=batch_size,
            num_workers=num_workers,
            augmentation=augmentation,
            eval_split=eval_split,
            pin_memory=pin_memory,
        )
        if holdout < 0:
            raise ValueError(f"holdout must not be negative, got {holdout}")
        self.release: str = str(release)
        self.source = SALICON.get(self.release)
        self.holdout = holdout
        self.outside = outside
        self.cache = cache
        if holdout:
            self.fit_splits = ("fit", "holdout")

    def read(self, split: str) -> SaliencyDataset:
        """Find and index one split; ``fit`` and ``holdout`` are the two parts of ``train``.

        Raises:
            ValueError: If `holdout` leaves no training image.
        """
        if split not in ("fit", "holdout"):
            return read_salicon(self.root, split, release=self.release, outside=self.outside, cache=self.cache)
        train = self.dataset("train")
        if self.holdout >= len(train):
            raise ValueError(f"holdout={self.holdout} leaves none of the {len(train)} training images")
        order = torch.randperm(len(train), generator=torch.Generator().manual_seed(HOLDOUT_SEED)).tolist()
        part = order[: self.holdout] if split == "holdout" else order[self.holdout :]
        return train.select(sorted(part), split=split)

    def describe(self) -> str:
        """One line; it says so when validation and test are the same images."""
        line = super().describe()
        if self.fit_splits[1] == self.eval_split:
            line += " like validation, as in published tables (data.holdout=500 keeps them apart)"
        return line
