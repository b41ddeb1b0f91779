"""Loaders of batches of one image size, in order or shuffled by the run's seed."""

from __future__ import annotations

from typing import Any

import cv2
import torch
from torch.utils.data import DataLoader

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.domains import DomainSamples
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.data.seeds import run_seed
from explainsal.data.small import SmallMixture
from explainsal.datamodules.batches import SizeGroupedBatchSampler
from explainsal.datamodules.order import Position, SeededSamples, TrainingBatches


def make_loader(
    dataset: SaliencyDataset | DomainSamples | SmallMixture,
    batch_size: int,
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
    position: Position | None = None,
) -> DataLoader[SaliencySample]:
    """Return batches of one image size each.

    Args:
        num_workers: Worker processes; 0 loads in the main process.
        pin_memory: Whether batches are copied to page-locked memory.
        position: For training, returns the epoch and the number of its finished batches. Batches are then shuffled by
            the run's seed and the epoch. A smaller last batch is dropped, unless images differ in size.
    """
    options: dict[str, Any] = {
        "num_workers": num_workers,
        "collate_fn": SaliencyBatch.collate,
        "pin_memory": pin_memory,
        "persistent_workers": num_workers > 0,
        "worker_init_fn": _one_thread if num_workers else None,
    }
    one_size = len(set(dataset.sizes)) <= 1
    if position is not None:
        seed = run_seed()
        drop_last = one_size and len(dataset) >= batch_size
        samples = SeededSamples(dataset, seed, position)
        batches = TrainingBatches(torch.utils.data.RandomSampler(samples), batch_size, drop_last)
        generator = torch.Generator().manual_seed(seed)  # otherwise a new iterator draws from torch's generator
        return DataLoader(samples, batch_sampler=batches, generator=generator, **options)
    if one_size or batch_size == 1:
        return DataLoader(dataset, batch_size, **options)  # type: ignore[arg-type]
    grouped = SizeGroupedBatchSampler(torch.utils.data.SequentialSampler(dataset), batch_size)  # type: ignore[arg-type]
    return DataLoader(dataset, batch_sampler=grouped, **options)  # type: ignore[arg-type]


def _one_thread(worker: int) -> None:
    """Disable OpenCV's thread pool in a worker, since workers run in parallel already.

    0 means no pool. 1 would wait forever for the pool's threads, which a forked process does not have.
    """
    cv2.setNumThreads(0)
