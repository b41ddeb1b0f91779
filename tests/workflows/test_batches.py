"""Images in batches of one size."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from explainsal.data.sample import SaliencySample
from explainsal.workflows.batches import read_batches


def sample(index: int, size: tuple[int, int]) -> SaliencySample:
    return SaliencySample(str(index), index, np.full((*size, 3), index, dtype=np.uint8), None, None)


@pytest.mark.parametrize("positions", [range(6), range(1, 6, 2), range(0)])
def test_images_of_one_size_are_read_in_batches(positions):
    sizes = [(4, 6), (4, 6), (4, 6), (6, 4), (4, 6), (4, 6)]
    samples = [sample(i, size) for i, size in enumerate(sizes)]
    batches = list(read_batches(samples, positions, 2, torch.device("cpu")))
    assert [name for batch in batches for name in batch.ids] == [str(i) for i in positions]
    assert all(len(batch.ids) <= 2 for batch in batches)
    if positions == range(6):
        assert [batch.ids for batch in batches] == [("0", "1"), ("2",), ("3",), ("4", "5")]
