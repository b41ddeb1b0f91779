"""Three types of ground truth: fixation points, fixation maps and density maps.

In all coordinates ``x`` points right and ``y`` down, in image pixels. Pixel ``i`` covers ``[i, i + 1)``, so the integer
pixel of a point is its floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class FixationBatch:
    """Fixations of a batch of images, as one ragged list.

    Args:
        x: Shape ``(N,)``, float64, pixels from the left edge.
        y: Shape ``(N,)``, float64, pixels from the top edge.
        image: Shape ``(N,)``, int64, non-decreasing: position of each fixation's image in the batch.
        batch_size: Number of images, including those without fixations.
    """

    x: Tensor
    y: Tensor
    image: Tensor
    batch_size: int

    def __post_init__(self) -> None:
        if not self.x.shape == self.y.shape == self.image.shape or self.x.ndim != 1:
            raise ValueError(
                f"x, y and image must be vectors of one length, got {tuple(self.x.shape)}, "
                f"{tuple(self.y.shape)}, {tuple(self.image.shape)}"
            )
        if self.image.is_cuda or not self.image.numel():
            return  # batches are built on the CPU; reading values would stall the accelerator
        if not 0 <= int(self.image.min()) <= int(self.image.max()) < self.batch_size:
            raise ValueError(f"image indices must lie in [0, {self.batch_size})")

    @classmethod
    def from_points(cls, points: Sequence[Tensor]) -> FixationBatch:
        """Build a batch from one ``(N_i, 2)`` tensor of (x, y) per image.

        Example:
            >>> fixations = FixationBatch.from_points([torch.tensor([[0.5, 1.0], [2.0, 0.0]]), torch.zeros(0, 2)])
            >>> fixations.batch_size, fixations.per_image().tolist()
            (2, [2, 0])
        """
        flat = [torch.as_tensor(p, dtype=torch.float64).reshape(-1, 2) for p in points]
        counts = torch.tensor([len(p) for p in flat], dtype=torch.int64)
        xy = torch.cat(flat) if flat else torch.zeros(0, 2, dtype=torch.float64)
        image = torch.repeat_interleave(torch.arange(len(flat)), counts)
        return cls(xy[:, 0].contiguous(), xy[:, 1].contiguous(), image, len(flat))

    def per_image(self) -> Tensor:
        """Return the number of fixations of each image, shape ``(B,)``, int64."""
        return torch.bincount(self.image, minlength=self.batch_size)

    def pixels(self, size: tuple[int, int]) -> Tensor:
        """Return the flat pixel index ``row * W + column`` of each fixation, shape ``(N,)``, int64.

        Raises:
            ValueError: If a coordinate is NaN or outside ``[0, W) x [0, H)``.
        """
        height, width = size
        inside = (self.x >= 0) & (self.x < width) & (self.y >= 0) & (self.y < height)
        if not bool(inside.all()):
            first = int((~inside).nonzero()[0])
            raise ValueError(
                f"{int((~inside).sum())} of {inside.numel()} fixations lie outside the image of {height} x {width} "
                f"(H x W) pixels or are NaN; the first is (x, y) = ({float(self.x[first])}, {float(self.y[first])}) "
                f"of image {int(self.image[first])} in the batch"
            )
        return self.y.floor().long() * width + self.x.floor().long()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> FixationBatch:
        """Copy the fixations to another device."""
        x, y, image = (t.to(device, non_blocking=non_blocking) for t in (self.x, self.y, self.image))
        return FixationBatch(x, y, image, self.batch_size)

    def pin_memory(self) -> FixationBatch:
        """Copy the fixations to page-locked memory."""
        return FixationBatch(self.x.pin_memory(), self.y.pin_memory(), self.image.pin_memory(), self.batch_size)


@dataclass(frozen=True, eq=False)
class FixationMap:
    """Number of fixations per pixel: shape ``(B, H, W)``, non-negative integers. Never resized."""

    counts: Tensor

    def __post_init__(self) -> None:
        if self.counts.ndim != 3 or self.counts.is_floating_point():
            raise ValueError(f"a FixationMap holds integers (B, H, W), got {self.counts.dtype} {self.counts.shape}")

    @classmethod
    def from_fixations(cls, fixations: FixationBatch, size: tuple[int, int]) -> FixationMap:
        """Count fixations per pixel.

        Example:
            >>> fixations = FixationBatch.from_points([torch.tensor([[0.5, 1.0], [0.9, 1.9]])])
            >>> FixationMap.from_fixations(fixations, (2, 2)).counts.tolist()
            [[[0, 0], [2, 0]]]
        """
        height, width = size
        index = fixations.image * (height * width) + fixations.pixels(size)
        counts = torch.bincount(index, minlength=fixations.batch_size * height * width)
        return cls(counts.reshape(fixations.batch_size, height, width))

    def to(self, device: torch.device | str, non_blocking: bool = False) -> FixationMap:
        """Copy the counts to another device."""
        return FixationMap(self.counts.to(device, non_blocking=non_blocking))


@dataclass(frozen=True, eq=False)
class DensityMap:
    """Fixation density (blurred fixation map): shape ``(B, H, W)``, non-negative, any scale, any dtype.

    Published 8-bit maps stay 8-bit until use, when they are converted to floating point.
    """

    values: Tensor

    def __post_init__(self) -> None:
        if self.values.ndim != 3:
            raise ValueError(f"a DensityMap has shape (B, H, W), got {tuple(self.values.shape)}")

    def to(self, device: torch.device | str, non_blocking: bool = False) -> DensityMap:
        """Copy the density to another device."""
        return DensityMap(self.values.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> DensityMap:
        """Copy the density to page-locked memory."""
        return DensityMap(self.values.pin_memory())
