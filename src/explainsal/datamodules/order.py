"""The order of training images and the randomness of each: both follow from seed, epoch and image alone.

So a training that is resumed, with any number of worker processes, sees what an uninterrupted one would have seen.
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

Position = Callable[[], tuple[int, int]]  # the epoch, and how many batches of it are done
Place = tuple[int, int]  # the epoch and the image's index


def find_position(datamodule: L.LightningDataModule) -> tuple[int, int]:
    """Where the training stands that a data module belongs to: the epoch, and how many batches of it are done.

    Without a training, every call begins another epoch.
    """
    trainer = datamodule.trainer
    if trainer is None:
        return next(vars(datamodule).setdefault("_alone", itertools.count())), 0
    epochs: Any = trainer.fit_loop.epoch_progress.current
    batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
    within = epochs.started > epochs.processed  # else the batches that are counted are those of the epoch before
    if within and batches.processed >= trainer.num_training_batches:
        return epochs.processed + 1, 0  # all are done, the validation is not
    return epochs.processed, batches.processed if within else 0


class SeededSamples(Dataset[SaliencySample]):
    """Samples whose random changes follow from seed, epoch and index, in whichever process they are made.

    Random changes have to be drawn from torch's generator. Any other generator is left as it is.

    Args:
        samples: A map-style data set that knows its ``sizes``.
        seed: Of the run.
        position: Gives the epoch, and how many batches of it are done; it stays in the main process.
    """

    def __init__(self, samples: Any, seed: int, position: Position) -> None:
        self.samples, self.seed, self.sizes = samples, seed, samples.sizes
        self.position: Position | None = position

    def __getstate__(self) -> dict[str, Any]:
        """What a worker process that is not forked receives."""
        return {**vars(self), "position": None}

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, place: Place | int) -> SaliencySample:
        """The sample of an epoch and index; of an index alone, with changes as torch's generator has them."""
        if isinstance(place, int):
            sample: SaliencySample = self.samples[place]
            return sample
        epoch, index = place
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(mix_seed(self.seed, epoch, index))
            sample = self.samples[index]
        return sample


class TrainingBatches(SizeGroupedBatchSampler):
    """Shuffled batches of `SeededSamples`; an epoch that was begun goes on behind the batches that are done.

    Seed and position are those of the samples, which every sampler leads to. So Lightning can make this object anew
    with the sampler of a distributed run, also where it did not see how it was made.

    Args:
        sampler: As for `SizeGroupedBatchSampler`, of `SeededSamples`; its own order does not matter.
        batch_size: Images per batch.
        drop_last: Whether smaller batches are left out.
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
        return not isinstance(self.sampler, SequentialSampler)  # which Lightning puts here to overfit a few batches

    def _generator(self) -> torch.Generator:
        return torch.Generator().manual_seed(mix_seed(self._samples.seed, self._epoch))
