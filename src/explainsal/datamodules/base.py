"""What all Lightning data modules share: the splits, the loaders, and batches of one native image size."""

from __future__ import annotations

import logging
import os
from abc import abstractmethod
from pathlib import Path
from typing import Any

import cv2
import lightning as L
import torch
from torch.utils.data import DataLoader

from explainsal.data.dataset import SaliencyDataset, Transform
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.sources import Source
from explainsal.datamodules.batches import SizeGroupedBatchSampler

log = logging.getLogger(__name__)


class SaliencyDataModule(L.LightningDataModule):
    """Loaders of `SaliencyBatch`: uint8 images of native size; the network resizes them on its own device.

    `prepare_data` finds, checks and indexes every split; a command calls it before it builds a network, so that
    a missing data set costs seconds. All images of a batch share one size: where a data set mixes sizes, batches
    are grouped by size (`SizeGroupedBatchSampler`), in a distributed run too.

    Args:
        root: Folder of the data set.
        batch_size: Images per batch and process.
        num_workers: Worker processes per loader; 0 loads in the main process, None takes all cores but one, at most 8.
        augmentation: Applied to the training split; None for none.
        eval_split: What the test loop runs on.
        pin_memory: Page-locked batches, for asynchronous copies to the device; by default where CUDA is.
    """

    name: str
    release: str | None = None
    source: Source | None = None
    fit_splits: tuple[str, str] = ("train", "val")

    def __init__(
        self,
        root: str | Path,
        *,
        batch_size: int,
        num_workers: int | None = None,
        augmentation: Transform | None = None,
        eval_split: str = "test",
        pin_memory: bool | None = None,
    ) -> None:
        super().__init__()
        num_workers = min(8, _cores() - 1) if num_workers is None else num_workers
        if batch_size < 1 or num_workers < 0:
            raise ValueError(f"batch_size must be positive and num_workers not negative: {batch_size}, {num_workers}")
        self.root = Path(root)
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.augmentation = augmentation
        self.eval_split = eval_split
        self.pin_memory = torch.cuda.is_available() if pin_memory is None else pin_memory
        self._datasets: dict[str, SaliencyDataset] = {}

    @abstractmethod
    def read(self, split: str) -> SaliencyDataset:
        """Find and index one split on disk, without augmentation."""

    def dataset(self, split: str) -> SaliencyDataset:
        """The samples of one split as they are on disk, unaugmented; indexed once.

        Raises:
            MissingFilesError: If files are missing: the message says where they come from.
            CorruptFileError: If a file cannot be read.
        """
        if split not in self._datasets:
            self._datasets[split] = self.read(split)
        return self._datasets[split]

    def prepare_data(self) -> None:
        """Check that every split needed is there and index it: once per machine, before the processes start."""
        for split in dict.fromkeys((*self.fit_splits, self.eval_split)):
            self.dataset(split)

    def setup(self, stage: str | None = None) -> None:
        """Index the splits of a stage (``fit``, ``validate``, ``test``, ``predict``) and log what they hold."""
        splits = self.fit_splits if stage == "fit" else (self.fit_splits[1],) if stage == "validate" else ()
        for split in splits or (self.eval_split,):
            self.dataset(split)
        log.info("%s", self.describe())

    def describe(self) -> str:
        """One line: the data set, its release, and the splits that have been indexed so far."""
        release = f" (release {self.release})" if self.release else ""
        splits = [f"{split} {len(d):,} images" for split, d in self._datasets.items()]
        return f"{self.name}{release}: {', '.join(splits) or 'nothing read yet'}; tested on {self.eval_split}"

    def train_dataloader(self) -> DataLoader[SaliencySample]:
        """Shuffled, augmented batches; the last, smaller batch is left out, unless it is the only one."""
        dataset = self.dataset(self.fit_splits[0])
        return self._loader(dataset.with_transform(self.augmentation), shuffle=True)

    def val_dataloader(self) -> DataLoader[SaliencySample]:
        """The validation split in order."""
        return self._loader(self.dataset(self.fit_splits[1]))

    def test_dataloader(self) -> DataLoader[SaliencySample]:
        """The split that `eval_split` names, in order."""
        return self._loader(self.dataset(self.eval_split))

    def predict_dataloader(self) -> DataLoader[SaliencySample]:
        """The same images as the test loop's."""
        return self.test_dataloader()

    def _loader(self, dataset: SaliencyDataset, *, shuffle: bool = False) -> DataLoader[SaliencySample]:
        options: dict[str, Any] = {
            "num_workers": self.num_workers,
            "collate_fn": SaliencyBatch.collate,
            "pin_memory": self.pin_memory,
            "persistent_workers": self.num_workers > 0,
            "worker_init_fn": _one_thread if self.num_workers else None,
        }
        drop_last = shuffle and len(dataset) >= self.batch_size
        if len(set(dataset.sizes)) <= 1 or self.batch_size == 1:
            return DataLoader(dataset, self.batch_size, shuffle=shuffle, drop_last=drop_last, **options)
        order = torch.utils.data.RandomSampler(dataset) if shuffle else torch.utils.data.SequentialSampler(dataset)
        batches = SizeGroupedBatchSampler(order, self.batch_size)
        return DataLoader(dataset, batch_sampler=batches, **options)


def _cores() -> int:
    """Cores that this process may use; a container often has fewer than the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _one_thread(worker: int) -> None:
    """Workers are parallel already: OpenCV's own pool would only fight over the cores.

    0 means no pool. 1 would stop the pool's threads, which a forked process does not have, and wait for them for ever.
    """
    cv2.setNumThreads(0)
