"""Collating keeps every pixel and point, and refuses what does not belong together."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from explainsal.data.sample import SaliencyBatch, SaliencySample


def make(number: int, size=(4, 6)) -> SaliencySample:
    rng = np.random.default_rng(number)
    image = rng.integers(0, 255, (*size, 3), dtype=np.uint8)
    points = rng.random((number, 2)) * (size[1], size[0])
    return SaliencySample(f"s{number}", number, image, points, rng.random(size, dtype=np.float32))


def test_every_pixel_and_point_is_kept():
    samples = [make(2), make(0), make(3)]
    samples[1] = replace(samples[1], image=samples[1].image[:, ::-1])  # a view with a negative stride
    batch = SaliencyBatch.collate(samples)
    assert (len(batch), batch.ids, batch.index.tolist()) == (3, ("s2", "s0", "s3"), [2, 0, 3])
    assert batch.images.is_contiguous()
    for k, sample in enumerate(samples):
        np.testing.assert_array_equal(batch.images[k].numpy(), sample.image.transpose(2, 0, 1))
        np.testing.assert_array_equal(batch.density.values[k].numpy(), sample.density)
        own = batch.fixations.image == k
        np.testing.assert_array_equal(torch.stack([batch.fixations.x, batch.fixations.y], 1)[own], sample.fixations)


def test_what_does_not_belong_together():
    with pytest.raises(ValueError, match="one size"):
        SaliencyBatch.collate([make(1), make(2, (6, 4))])
    for part in ("fixations", "density"):
        with pytest.raises(ValueError, match="only some"):
            SaliencyBatch.collate([make(1), replace(make(2), **{part: None})])
    blind = SaliencyBatch.collate([replace(make(1), fixations=None, density=None)])
    assert blind.fixations is None
    assert blind.density is None


def test_moving_keeps_everything():
    batch = SaliencyBatch.collate([make(2), make(1)])
    moved = batch.to("cpu")
    assert moved.ids == batch.ids
    assert torch.equal(moved.images, batch.images)
    assert torch.equal(moved.fixations.x, batch.fixations.x)
    assert torch.equal(moved.density.values, batch.density.values)
