"""Images of a data set, read in batches of one size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch, SaliencySample


def read_batches(
    dataset: SaliencyDataset, positions: Sequence[int], batch_size: int, device: torch.device
) -> Iterator[SaliencyBatch]:
    """Read images in batches of one size.

    Args:
        positions: The images to read, in this order.
        batch_size: Largest number of images in a batch. A batch ends where the next image has another size.
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
