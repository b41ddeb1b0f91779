"""Augmentation of batches on the device: image, density and points together, whatever the batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.data.test_augmentation import HEIGHT, WIDTH, assert_together, blob_sample

from explainsal.data.device_augmentation import DeviceAugmentation
from explainsal.data.sample import SaliencyBatch, SaliencySample

OFF = {"flip": 0.0, "affine": 0.0, "photometric": 0.0, "zoom": 1.0, "rotate": 0.0}


def batch_of(count: int, dtype: type = np.uint8) -> SaliencyBatch:
    blob = blob_sample((36.3, 27.9), dtype)
    samples = [SaliencySample(str(i), i, blob.image, blob.fixations, blob.density) for i in range(count)]
    return SaliencyBatch.collate(samples)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_points_go_where_density_and_image_go(dtype: type) -> None:
    augment = DeviceAugmentation(flip=0.5, affine=1.0, photometric=1.0, zoom=1.3, rotate=20.0)
    batch = batch_of(12, dtype)
    before = batch.images.clone()
    out = augment(batch, seed=1, epoch=0)
    assert torch.equal(batch.images, before)
    assert (out.images.dtype, out.density.values.dtype) == (torch.uint8, batch.density.values.dtype)
    for i in range(12):
        points = torch.stack([out.fixations.x, out.fixations.y], 1)[out.fixations.image == i].numpy()
        assert_together(out.images[i].permute(1, 2, 0).numpy(), out.density.values[i].numpy(), points)


def test_a_flip_is_exact() -> None:
    batch = batch_of(2)
    out = DeviceAugmentation(**OFF | {"flip": 1.0})(batch, seed=0, epoch=0)
    assert torch.equal(out.images, batch.images.flip(3))
    assert torch.equal(out.density.values, batch.density.values.flip(2))
    torch.testing.assert_close(out.fixations.x, WIDTH - batch.fixations.x, rtol=0, atol=1e-9)


def test_nothing_is_nothing_and_the_border_is_grey() -> None:
    batch = batch_of(2)
    out = DeviceAugmentation(**OFF)(batch, seed=0, epoch=0)
    assert torch.equal(out.images, batch.images)
    batch.images.fill_(200)
    out = DeviceAugmentation(**OFF | {"affine": 1.0, "rotate": 40.0})(batch, seed=0, epoch=0)
    assert out.images[:, :, 0, 0].unique().tolist() == [128]
    assert out.images[:, :, HEIGHT // 2, WIDTH // 2].unique().tolist() == [200]


def test_changes_follow_from_seed_epoch_and_image_alone() -> None:
    augment = DeviceAugmentation(flip=0.5, affine=1.0, photometric=1.0, zoom=1.3, rotate=5.0)
    whole = augment(batch_of(4), seed=3, epoch=2)
    alone = augment(SaliencyBatch.collate([
        SaliencySample("2", 2, (b := blob_sample((36.3, 27.9), np.uint8)).image, b.fixations, b.density)
    ]), seed=3, epoch=2)  # fmt: skip
    assert (whole.images[2].int() - alone.images[0].int()).abs().max() <= 1  # rounding of another batch size
    torch.testing.assert_close(alone.fixations.x, whole.fixations.x[whole.fixations.image == 2])
    for other in (augment(batch_of(4), seed=3, epoch=3), augment(batch_of(4), seed=4, epoch=2)):
        assert not torch.equal(other.images, whole.images)
    assert torch.equal(augment(batch_of(4), seed=3, epoch=2).images, whole.images)


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"affine": -0.1}, {"zoom": 0.5}, {"rotate": -1.0}], ids=str)
def test_wrong_arguments(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DeviceAugmentation(**OFF | wrong)
