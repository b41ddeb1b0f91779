"""Augment whole batches on the device with kornia, for trainings whose workers are too slow."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from kornia.enhance import adjust_brightness, adjust_contrast_with_mean_subtraction, adjust_saturation
from kornia.geometry.transform import warp_affine
from torch import Tensor

from explainsal.data.sample import SaliencyBatch
from explainsal.types import DensityMap, FixationBatch

GREY = 128 / 255  # fills pixels outside the image


class DeviceAugmentation:
    """Random flip, zoom, shift, rotation, brightness, contrast and saturation of batches on their device.

    The parameters of an image depend only on the run's seed, the epoch and the image's index, not on the batch, the
    device or the number of processes. Image and density are resampled bilinearly. Fixation points are moved as well;
    points that leave the image are dropped. Pixels from outside the image are gray with density zero.

    Args:
        flip: Probability of a left-right flip.
        affine: Probability of zoom, shift and rotation.
        photometric: Probability of a change of brightness, contrast and saturation.
        zoom: Largest magnification; the smallest is 1. Shifts are at most half the margin that the largest zoom crops.
        rotate: Largest rotation to either side, in degrees.
        change: Largest relative change of brightness, contrast and saturation, up or down.

    Raises:
        ValueError: If a probability is outside [0, 1], `zoom` is below 1, or `rotate` or `change` is out of range.
    """

    on_device = True  # a data module applies it after the transfer, to whole batches

    def __init__(
        self, *, flip: float, affine: float, photometric: float, zoom: float, rotate: float, change: float = 0.2
    ) -> None:
        for name, value in {"flip": flip, "affine": affine, "photometric": photometric, "change": change}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {value}")
        if zoom < 1 or rotate < 0:
            raise ValueError(f"zoom must be at least 1 and rotate at least 0, got {zoom} and {rotate}")
        self.chances = np.array([flip, affine, photometric])
        self.zoom, self.rotate, self.change = zoom, rotate, change

    def __call__(self, batch: SaliencyBatch, *, seed: int, epoch: int) -> SaliencyBatch:
        """Augment a batch; the input is unchanged."""
        height, width = (int(side) for side in batch.images.shape[-2:])
        draws = np.stack([np.random.default_rng([seed, epoch, index]).random(10) for index in batch.index.tolist()])
        chosen = draws[:, :3] < self.chances
        motions = torch.from_numpy(np.stack([
            self._motion((height, width), *row) for row in zip(chosen[:, 0], chosen[:, 1], draws[:, 3:7], strict=True)
        ])).to(batch.images.device)  # fmt: skip
        images = _resample(batch.images.float() / 255, motions, GREY)
        images = self._colour(images, np.where(chosen[:, 2:], draws[:, 7:], 0.5))
        return replace(
            batch,
            images=(images * 255).round_().clamp_(0, 255).to(batch.images.dtype),
            density=None if batch.density is None else _move_density(batch.density, motions),
            fixations=None if batch.fixations is None else _move_points(batch.fixations, motions, (height, width)),
        )

    def _motion(self, size: tuple[int, int], flipped: bool, moved: bool, draws: np.ndarray) -> np.ndarray:
        """Return the affine map of points (x, y), ``(2, 3)``, about the image center, in pixels from the image edge."""
        zoom = self.zoom if moved else 1.0
        scale = 1 + (zoom - 1) * draws[0]
        angle = math.radians(self.rotate * (2 * draws[1] - 1)) if moved else 0.0
        cosine, sine, side = scale * math.cos(angle), scale * math.sin(angle), -1 if flipped else 1
        turn = np.array([[side * cosine, -sine], [side * sine, cosine]])
        middle = np.array([size[1] / 2, size[0] / 2])
        shift = middle * (zoom - 1) * (2 * draws[2:] - 1)
        return np.column_stack([turn, middle + shift - turn @ middle])

    def _colour(self, images: Tensor, draws: np.ndarray) -> Tensor:
        brightness, contrast, saturation = (
            torch.from_numpy(1 + self.change * (2 * column - 1)).to(images) for column in draws.T
        )
        images = adjust_brightness(images, brightness - 1)
        images = adjust_contrast_with_mean_subtraction(images, contrast)
        return adjust_saturation(images, saturation)


def _resample(pictures: Tensor, motions: Tensor, border: float) -> Tensor:
    """Warp pictures ``(B, C, H, W)``; motions ``(B, 2, 3)`` count from pixel edges, kornia from pixel centers."""
    centred = motions.clone()
    centred[:, :, 2] += motions[:, :, :2].sum(dim=2) / 2 - 0.5
    size = int(pictures.shape[-2]), int(pictures.shape[-1])
    moved: Tensor = warp_affine(pictures - border, centred.to(pictures), size, align_corners=True)
    return moved + border  # kornia fills with 0


def _move_density(density: DensityMap, motions: Tensor) -> DensityMap:
    values = density.values
    moved = _resample(values.float().unsqueeze(1), motions, 0.0).squeeze(1)
    whole = not values.is_floating_point()
    return DensityMap(moved.round_().to(values.dtype) if whole else moved.to(values.dtype))


def _move_points(fixations: FixationBatch, motions: Tensor, size: tuple[int, int]) -> FixationBatch:
    points = torch.stack([fixations.x, fixations.y, torch.ones_like(fixations.x)], dim=1)
    x, y = (motions[fixations.image].to(points) @ points.unsqueeze(2)).squeeze(2).unbind(dim=1)
    inside = (x >= 0) & (x < size[1]) & (y >= 0) & (y < size[0])
    return FixationBatch(x[inside], y[inside], fixations.image[inside], fixations.batch_size)
