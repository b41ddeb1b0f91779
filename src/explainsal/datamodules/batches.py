"""Batches of images that share one size, from a data set that mixes sizes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch.utils.data import BatchSampler, DistributedSampler, RandomSampler, Sampler


class SizeGroupedBatchSampler(BatchSampler):
    """Batch sampler whose batches hold images of one size each; every image occurs exactly once.

    If fewer than `batch_size` images of a size are left, they form a smaller batch; no image is dropped or resized. In
    a distributed run all processes build the same list of batches and take turns. The first batches are repeated until
    each process has the same number, as `torch.utils.data.DistributedSampler` repeats images.

    Args:
        sampler: Order of the images of a data set that has ``sizes``, one ``(H, W)`` per image (or more numbers, all of
            which a batch shares). It is a `RandomSampler`, a `SequentialSampler`, or the `DistributedSampler` that
            Lightning uses in distributed runs; then its seed and epoch decide the order and its rank selects the
            batches.
        drop_last: Whether smaller batches are dropped.

    Raises:
        ValueError: If `batch_size` is not positive or the sampler's data set has no ``sizes``.

    Example:
        >>> from torch.utils.data import SequentialSampler
        >>> class Pictures(list):
        ...     sizes = [(4, 6), (6, 4), (4, 6), (4, 6)]
        >>> list(SizeGroupedBatchSampler(SequentialSampler(Pictures("abcd")), 2, False))
        [[0, 2], [1], [3]]
    """

    def __init__(self, sampler: Sampler[int] | Iterable[int], batch_size: int, drop_last: bool = False) -> None:
        super().__init__(sampler, batch_size, drop_last)
        self.sizes: list[tuple[int, ...]] = list(find_samples(sampler, "sizes").sizes)
        self._shuffled = isinstance(sampler, RandomSampler)

    def __iter__(self) -> Iterator[list[int]]:
        batches = self._group(self._order())
        if self._is_shuffled():
            batches = [batches[i] for i in torch.randperm(len(batches), generator=self._generator()).tolist()]
        if not isinstance(self.sampler, DistributedSampler):
            return iter(batches)
        share, rank = self.sampler.num_replicas, self.sampler.rank
        padded = [batches[i % len(batches)] for i in range(-(-len(batches) // share) * share)] if batches else []
        return iter(padded[rank::share])

    def __len__(self) -> int:
        counts = torch.tensor([self.sizes.count(size) for size in sorted(set(self.sizes))])
        full = counts // self.batch_size if self.drop_last else -(-counts // self.batch_size)
        batches = int(full.sum())
        return -(-batches // self.sampler.num_replicas) if isinstance(self.sampler, DistributedSampler) else batches

    def _order(self) -> list[int]:
        if not isinstance(self.sampler, DistributedSampler):
            return list(self.sampler)
        if not self._is_shuffled():
            return list(range(len(self.sizes)))
        return torch.randperm(len(self.sizes), generator=self._generator()).tolist()

    def _is_shuffled(self) -> bool:
        return self.sampler.shuffle if isinstance(self.sampler, DistributedSampler) else self._shuffled

    def _generator(self) -> torch.Generator | None:
        """Return a generator that agrees across distributed processes; None selects torch's own."""
        if not isinstance(self.sampler, DistributedSampler):
            return None
        return torch.Generator().manual_seed(self.sampler.seed + self.sampler.epoch)

    def _group(self, order: Iterable[int]) -> list[list[int]]:
        batches: list[list[int]] = []
        waiting: dict[tuple[int, ...], list[int]] = {}
        for index in order:
            batch = waiting.setdefault(self.sizes[index], [])
            batch.append(index)
            if len(batch) == self.batch_size:
                batches.append(waiting.pop(self.sizes[index]))
        return batches if self.drop_last else [*batches, *waiting.values()]


def find_samples(sampler: object, attribute: str) -> Any:
    """Return the data set that a sampler draws from, found through wrapping samplers.

    Args:
        attribute: An attribute that the data set has and no sampler has.

    Raises:
        ValueError: If no data set has the attribute.
    """
    inner: object | None = sampler
    while inner is not None and not hasattr(inner, attribute):
        names = (name for name in ("data_source", "dataset", "_sampler") if hasattr(inner, name))
        inner = getattr(inner, next(names, ""), None)
    if inner is None:
        raise ValueError(f"the data set of {type(sampler).__name__} has no {attribute}")
    return inner
