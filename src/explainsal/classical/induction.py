"""Shared steps of the two saliency models of Murray et al.: opponent colors, wavelet planes, contrast sensitivity."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from explainsal.classical.matlab import filter_axis, min_max, pad

_H = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=torch.float64) / 16

Planes = tuple[Tensor, Tensor, Tensor]
"""Horizontal, vertical and diagonal detail of one level, ``(B, n, n)`` each."""


@dataclass(frozen=True)
class Sensitivity:
    """Extended contrast sensitivity function: the weight of a center-surround contrast at a scale.

    Args:
        gain: Height b of the contrast's weight g.
        below: Width of g towards finer scales.
        above: Width of g towards coarser scales.
        floor_width: Width of k, the weight without contrast.
        peak: Scale of the peak of g.
        floor_scale: Scale from which k is 1.
    """

    gain: float
    below: float
    above: float
    floor_width: float
    peak: float
    floor_scale: float

    def __call__(self, contrast: Tensor, scale: int) -> Tensor:
        """Return ``z g(s) + k(s)``; scale 1 is the finest."""
        width = self.below if scale <= self.peak else self.above
        g = self.gain * _bell(scale - self.peak, width)
        k = _bell(scale - self.floor_scale, self.floor_width) if scale <= self.floor_scale else 1.0
        return contrast * g + k


def _bell(distance: float, width: float) -> float:
    return float(torch.exp(torch.tensor(-(distance**2) / (2 * width**2), dtype=torch.float64)))


def opponent(images: Tensor) -> Tensor:
    """Return red-green, yellow-blue and intensity of linear RGB, ``(B, 3, H, W)``, for sRGB of that shape in [0, 1]."""
    red, green, blue = rgb_to_linear_rgb(images).unbind(dim=1)
    intensity = red + green + blue
    divisor = torch.where(intensity == 0, 1.0, intensity)
    return torch.stack([(red - green) / divisor, (red + green - 2 * blue) / divisor, intensity], dim=1)


def to_square(plane: Tensor) -> Tensor:
    """Pad by mirroring below and to the right to the next power of two of the longer side, ``(B, n, n)``."""
    height, width = int(plane.shape[-2]), int(plane.shape[-1])
    side = 1 << (max(height, width) - 1).bit_length()
    return pad(plane, (0, side - height), (0, side - width), "reflect")


def smooth_x(maps: Tensor) -> Tensor:
    """Filter with [1 4 6 4 1] / 16 along the rows."""
    return filter_axis(maps, _H, -1, "reflect")


def smooth_y(maps: Tensor) -> Tensor:
    """Filter with [1 4 6 4 1] / 16 along the columns."""
    return filter_axis(maps, _H, -2, "reflect")


def enlarge(maps: Tensor) -> Tensor:
    """Double the size: insert zeros, then smooth with gain 2 per axis."""
    wide = torch.zeros(*maps.shape[:-2], 2 * maps.shape[-2], 2 * maps.shape[-1], dtype=maps.dtype, device=maps.device)
    wide[..., ::2, ::2] = maps
    return 4 * smooth_y(smooth_x(wide))


def rebuild(weights: Sequence[Planes]) -> Tensor:
    """Invert the transform with weights in place of the planes, from a residual of ones; the finest level is first."""
    image = torch.ones_like(weights[-1][0][..., ::2, ::2])
    for planes in reversed(weights):
        image = enlarge(image) + planes[0] + planes[1] + planes[2]
    return image


def combine(channels: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Crop channels ``(B, 3, n, n)`` to `size`, divide them by their sums, and return them with their Euclidean norm.

    The norm has shape ``(B, h, w)``.
    """
    channels = channels[..., : size[0], : size[1]]
    total = channels.sum(dim=(-2, -1), keepdim=True)
    channels = channels / torch.where(total > 0, total, 1.0)
    return channels, channels.square().sum(dim=1).sqrt()


def to_bytes(maps: Tensor) -> Tensor:
    """Return ``floor(255 x)`` of maps scaled to 0..1, the output of the original code."""
    return (255 * min_max(maps)).floor()


def run_sum(maps: Tensor, length: int, step: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Sum `length` samples along a line for each pixel, ``(..., *size)``; the samples start at the pixel.

    Args:
        maps: Padded maps, ``(..., H, W)``; all samples must be inside.
        length: Samples per sum; the cost grows with its logarithm.
        step: Rows and columns between samples, not negative.
        size: Height and width of the result.
    """

    def moved(block: Tensor, samples: int, rows: int, columns: int) -> Tensor:
        top, left = samples * step[0], samples * step[1]
        return block[..., top : top + rows, left : left + columns]

    total = torch.zeros(*maps.shape[:-2], *size, dtype=maps.dtype, device=maps.device)
    block, width, done = maps, 1, 0  # block: sums of `width` samples
    while done < length:
        if (length - done) & width:
            total.add_(moved(block, done, *size))
            done += width
        if done < length:
            rows, columns = int(block.shape[-2]) - width * step[0], int(block.shape[-1]) - width * step[1]
            block = block[..., :rows, :columns] + moved(block, width, rows, columns)
            width *= 2
    return total


def centre_and_surround(maps: Tensor, centre: int, surround: int, step: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Sum `centre` samples around each pixel along a line, and `surround` samples on both sides of them.

    Args:
        maps: Shape ``(..., H, W)``; mirrored at the borders.
        centre: Odd number of samples.
        surround: Number of samples on each side.
        step: Direction of the line: (0, 1), (1, 0) or (1, 1); for the other diagonal, flip the maps.
    """
    reach = centre // 2 + surround
    size = int(maps.shape[-2]), int(maps.shape[-1])
    rows, columns = reach * step[0], reach * step[1]
    padded = pad(maps, (rows, rows), (columns, columns), "symmetric")
    length = 2 * reach + 1
    if length % centre:
        whole = run_sum(padded, length, step, size)
        middle = run_sum(padded[..., surround * step[0] :, surround * step[1] :], centre, step, size)
    else:  # build the long sum from short sums
        reduced = int(padded.shape[-2]) - (centre - 1) * step[0], int(padded.shape[-1]) - (centre - 1) * step[1]
        short = run_sum(padded, centre, step, reduced)
        whole = run_sum(short, length // centre, (centre * step[0], centre * step[1]), size)
        middle = short[..., surround * step[0] :, surround * step[1] :][..., : size[0], : size[1]]
    return middle, whole - middle
