"""Batches of one size: complete, and shared fairly among processes."""

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DistributedSampler, RandomSampler, SequentialSampler

from explainsal.datamodules.batches import SizeGroupedBatchSampler


class Pictures(list):
    """A data set that knows its sizes, and nothing else."""

    @property
    def sizes(self):
        return list(self)


SIZES = st.lists(st.sampled_from([(4, 6), (6, 4), (5, 5)]), min_size=1, max_size=40).map(Pictures)


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 7), st.booleans())
def test_every_image_once_in_batches_of_one_size(sizes, batch_size, shuffle):
    order = RandomSampler(sizes) if shuffle else SequentialSampler(sizes)
    sampler = SizeGroupedBatchSampler(order, batch_size)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert sorted(i for batch in batches for i in batch) == list(range(len(sizes)))
    assert all(len({sizes[i] for i in batch}) == 1 and len(batch) <= batch_size for batch in batches)
    full = list(SizeGroupedBatchSampler(order, batch_size, True))
    assert all(len(b) == batch_size for b in full)
    assert len(full) == sum(n // batch_size for n in Counter(sizes).values())


@settings(deadline=None, max_examples=60)
@given(SIZES, st.integers(1, 5), st.integers(1, 4), st.booleans(), st.integers(0, 3))
def test_processes_get_equally_many_batches_and_together_all_images(sizes, batch_size, processes, shuffle, epoch):
    parts = []
    for rank in range(processes):
        shard = DistributedSampler(sizes, processes, rank, shuffle=shuffle, seed=3)
        shard.set_epoch(epoch)
        sampler = SizeGroupedBatchSampler(shard, batch_size)
        parts.append(list(sampler))
        assert len(parts[-1]) == len(sampler)
    assert len({len(part) for part in parts}) == 1
    together = [batch for part in parts for batch in part]
    assert {i for batch in together for i in batch} == set(range(len(sizes)))
    repeated = len(together) - len({tuple(batch) for batch in together})
    assert repeated < processes


def test_epochs_and_seeds_differ():
    sizes = Pictures([(4, 6)] * 10 + [(6, 4)] * 10)

    def epoch(number):
        shard = DistributedSampler(sizes, 2, 0, shuffle=True, seed=3)
        shard.set_epoch(number)
        return list(SizeGroupedBatchSampler(shard, 4))

    assert epoch(0) == epoch(0)
    assert epoch(0) != epoch(1)
    torch.manual_seed(1)
    sampler = SizeGroupedBatchSampler(RandomSampler(sizes), 4)
    assert list(sampler) != list(sampler)


def test_in_order_without_shuffling():
    sizes = Pictures([(1, 1), (2, 2), (1, 1), (2, 2), (1, 1)])
    assert list(SizeGroupedBatchSampler(SequentialSampler(sizes), 2)) == [[0, 2], [1, 3], [4]]


@pytest.mark.parametrize("batch_size", [0, -1])
def test_batch_size_must_be_positive(batch_size):
    with pytest.raises(ValueError, match="batch_size"):
        SizeGroupedBatchSampler(SequentialSampler(Pictures([(1, 1)])), batch_size)


def test_sizes_must_be_known():
    with pytest.raises(ValueError, match="no sizes"):
        SizeGroupedBatchSampler(SequentialSampler([1, 2]), 2)
