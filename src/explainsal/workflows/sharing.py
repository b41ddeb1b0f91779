"""Division of work among the processes of a distributed run; a single process does all of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

import torch

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch, SaliencySample

T = TypeVar("T")


def share(count: int) -> range:
    """Return the positions among `count` items that this process works on."""
    if not torch.distributed.is_initialized():
        return range(count)
    return range(torch.distributed.get_rank(), count, torch.distributed.get_world_size())


def is_first() -> bool:
    """Return whether this is the first process of the run, which writes and prints."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def gather(mine: T) -> list[T]:
    """Return the objects of all processes in the order of their ranks; every process must call this."""
    if not torch.distributed.is_initialized():
        return [mine]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, mine)
    return found


def read_batches(
    dataset: SaliencyDataset, positions: Sequence[int], batch_size: int, device: torch.device
) -> Iterator[SaliencyBatch]:
    """Read images in batches of one size.

    Args:
        dataset: The images.
        positions: The images to read, in this order.
        batch_size: Largest number of images in a batch. A batch ends where the next image has another size.
        device: Device of the batches.
    """
    batch: list[SaliencySample] = []
    for position in positions:
        sample = dataset[position]
        if batch and (len(batch) == batch_size or sample.image.shape != batch[0].image.shape):
            yield SaliencyBatch.collate(batch).to(device)
            batch = []
        batch.append(sample)
    if batch:
        yield SaliencyBatch.collate(batch).to(device)
