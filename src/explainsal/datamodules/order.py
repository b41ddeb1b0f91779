"""Order and random augmentation of training images, determined by seed, epoch and image alone.

A resumed training therefore sees the same samples as an uninterrupted one, with any number of worker processes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import lightning as L
import torch
from torch.utils.data import Dataset, Sampler, SequentialSampler

from explainsal.data.sample import SaliencySample
from explainsal.data.seeds import mix_seed
from explainsal.datamodules.batches import SizeGroupedBatchSampler, find_samples

Position = Callable[[], tuple[int, int]]  # the epoch and the number of its finished batches
Place = tuple[int, int]  # the epoch and the image's index


def find_position(datamodule: L.LightningDataModule) -> tuple[int, int]:
    """Return the progress of a data module's training: the epoch and the number of its finished batches.

    Without a trainer, every call starts another epoch.
    """
    trainer = datamodule.trainer
    if trainer is None:
        return next(vars(datamodule).setdefault("_alone", itertools.count())), 0
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    within = epochs.started > epochs.processed  # otherwise the counter belongs to the previous epoch
    if within and batches.processed >= trainer.num_training_batches:
        return epochs.processed + 1, 0  # only the validation is left
    return epochs.processed, batches.processed if within else 0


class SeededSamples(Dataset[SaliencySample]):
    """Samples whose random augmentation depends only on seed, epoch and index, in any process.

    Augmentations must draw from torch's generator. Other generators are not seeded.

    Args:
        samples: A map-style data set with ``sizes``.
        seed: The run's seed.
        position: Returns the epoch and the number of its finished batches; it stays in the main process.
    """

    def __init__(self, samples: Any, seed: int, position: Position) -> None:
        self.samples, self.seed, self.sizes = samples, seed, samples.sizes
        self.position: Position | None = position

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for a worker process that is not forked."""
        return {**vars(self), "position": None}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: Place | int) -> SaliencySample:
        """Return the sample of an epoch and index; with an index alone, torch's generator is used as it is."""
        if isinstance(place, int):
            sample: SaliencySample = self.samples[place]
            return sample
        epoch, index = place
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(mix_seed(self.seed, epoch, index))
            sample = self.samples[index]
        return sample


class TrainingBatches(SizeGroupedBatchSampler):
    """Shuffled batches of `SeededSamples`; an interrupted epoch continues after its finished batches.

    Seed and position come from the samples, so that Lightning can rebuild this object with the sampler of a distributed
    run.

    Args:
        sampler: As in `SizeGroupedBatchSampler`, over `SeededSamples`; its order is ignored.
        drop_last: Whether smaller batches are dropped.
    """

    def __init__(self, sampler: Sampler[int], batch_size: int, drop_last: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self._samples: SeededSamples = find_samples(sampler, "position")
        self._epoch = 0

    def __iter__(self) -> Iterator[Any]:
        assert self._samples.position is not None
        self._epoch, done = self._samples.position()
        batches = list(super().__iter__())[done:]
        return iter([[(self._epoch, index) for index in batch] for batch in batches])

    def _order(self) -> list[int]:
        if not self._is_shuffled():
            return list(range(len(self.sizes)))
        return torch.randperm(len(self.sizes), generator=self._generator()).tolist()

    def _is_shuffled(self) -> bool:
        return not isinstance(self.sampler, SequentialSampler)  # Lightning replaces it to overfit a few batches

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(mix_seed(self._samples.seed, self._epoch))
