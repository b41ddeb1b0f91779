"""Itti, Koch & Niebur (PAMI 1998) as in J. Harel's GBVS toolbox (`ittikochmap`), the ITTI of most comparisons."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, imfilter, imresize, min_max, rounded

ORIENTATIONS = (0.0, 45.0, 90.0, 135.0)
_GABOR_RADIUS = 13
_SMALLEST = 10


class Itti(ClassicalModel):
    """Center-surround contrast of color, intensity and orientation; maps with few peaks get larger weights.

    The other widely used implementation, Walther's SaliencyToolbox, gives sparse maps that hardly agree with these
    (CC 0.07 to 0.45).

    Args:
        deltas: Levels between center and surround; the toolbox uses (2,), the paper's (3, 4) needs larger images.
        blur_fraction: Sigma of the final blur relative to the longer side of the map; 0 skips the blur.

    Example:
        >>> disc = (torch.arange(160)[:, None] - 60) ** 2 + (torch.arange(240) - 150) ** 2 < 15**2
        >>> images = torch.stack([disc, torch.zeros_like(disc), torch.zeros_like(disc)]).float()[None]
        >>> row, column = divmod(Itti()(images).argmax().item(), 240)
        >>> abs(row - 60) < 20, abs(column - 150) < 20
        (True, True)
    """

    def __init__(self, deltas: tuple[int, ...] = (2,), blur_fraction: float = 0.03) -> None:
        super().__init__()
        self.deltas = deltas
        self.blur_fraction = blur_fraction

    def saliency(self, images: Tensor) -> Tensor:
        """Return the master map, at 1/8 of the image size, 0..1."""
        channels = self.channels(images)
        master = torch.stack(list(channels.values())).sum(dim=0)
        master = min_max(fade(master, 4))
        if self.blur_fraction:
            sigma = self.blur_fraction * max(master.shape[-2:])
            master = min_max(blur(master, 2 * rounded(2 * sigma) + 1, sigma, "replicate"))
        return master

    def channels(self, images: Tensor) -> dict[str, Tensor]:
        """Return conspicuity maps ``(B, h, w)`` of color, intensity and orientation, before they are added."""
        height, width = int(images.shape[2]), int(images.shape[3])
        longest = max(height, width)
        target = rounded(longest / 8) / longest
        size = max(rounded(height * target), 1), max(rounded(width * target), 1)
        planes = torch.cat([images, images.amax(dim=1, keepdim=True)], dim=1)  # (B, 4, H, W): R, G, B, I
        levels = {}
        for level in range(1, 4 + max(self.deltas)):
            planes = halve(planes)
            if level >= 2:
                levels[level] = _features(planes)
        maps = {}
        for channel in ("color", "intensity", "orientation"):
            contrasts = [
                _contrast(levels[centre][channel], levels[centre + delta][channel])
                for centre in (2, 3)
                for delta in self.deltas
            ]
            each = [_promote(min_max(imresize(contrast, size))) for contrast in contrasts]
            maps[channel] = _promote(torch.cat(each, dim=1).sum(dim=1))
        return maps


def _features(planes: Tensor) -> dict[str, Tensor]:
    """Return feature maps ``(B, F, h, w)`` per channel, from the planes R, G, B, I of one level."""
    red, green, blue, intensity = planes.unbind(dim=1)
    divisor = torch.where(intensity == 0, 1.0, intensity)
    opponent = torch.stack([(blue - torch.minimum(red, green)).abs(), (red - green).abs()], dim=1)
    color = torch.where(intensity[:, None] == 0, 0.0, opponent / divisor[:, None])
    brightness, orientation = intensity_and_orientation(intensity)
    return {"color": color, "intensity": brightness, "orientation": orientation}


def intensity_and_orientation(intensity: Tensor) -> tuple[Tensor, Tensor]:
    """Return the feature maps of the intensity ``(B, h, w)`` of one level: the intensity and four Gabor energies."""
    pairs = imfilter(intensity, gabors().to(intensity), "replicate").abs()
    return intensity[:, None], fade(pairs[:, 0::2] + pairs[:, 1::2], _GABOR_RADIUS)


@lru_cache(maxsize=1)
def gabors() -> Tensor:
    """Return even and odd Gabor filters of each orientation, ``(8, 27, 27)``: period pi px, sigma 2 along, 4 across."""
    y, x = torch.meshgrid(*[torch.arange(-_GABOR_RADIUS, _GABOR_RADIUS + 1, dtype=torch.float64)] * 2, indexing="ij")
    kernels = []
    for degrees in ORIENTATIONS:
        angle = math.radians(degrees)
        u, v = y * math.cos(angle) - x * math.sin(angle), -y * math.sin(angle) - x * math.cos(angle)
        for phase in (0.0, math.pi / 2):
            kernel = torch.cos(2 * u + phase) * torch.exp(-(u**2) / 8 - v**2 / 32)
            kernel = kernel - kernel.mean()
            kernels.append(kernel / kernel.square().sum().sqrt())
    return torch.stack(kernels)


def _contrast(centre: Tensor, surround: Tensor) -> Tensor:
    return (centre - imresize(surround, (int(centre.shape[-2]), int(centre.shape[-1])))).square()


def _promote(maps: Tensor) -> Tensor:
    """Apply the normalization N(.): amplify maps with few strong peaks, attenuate maps with many similar peaks."""
    maps = 10 * min_max(maps)
    inner = maps[..., 1:-1, 1:-1]
    peak = inner >= 1
    for neighbour in (maps[..., :-2, 1:-1], maps[..., 2:, 1:-1], maps[..., 1:-1, :-2], maps[..., 1:-1, 2:]):
        peak = peak & (inner >= neighbour)
    count = peak.sum(dim=(-2, -1), keepdim=True)
    mean = torch.where(peak, inner, 0.0).sum(dim=(-2, -1), keepdim=True) / count.clamp(min=1)
    return maps * torch.where(count > 1, (10 - mean) ** 2, torch.where(count == 1, 100.0, 1.0))


def fade(maps: Tensor, border: int) -> Tensor:
    """Multiply by linear ramps towards the borders; ramps are narrower on maps so small that they would overlap."""
    border = min(border, int(maps.shape[-2]) // 2, int(maps.shape[-1]) // 2)

    def ramp(length: int) -> Tensor:
        rise = torch.arange(1, length + 1, dtype=maps.dtype, device=maps.device) / (border + 1)
        return rise.clamp(max=1) * rise.flip(0).clamp(max=1)

    return maps * ramp(int(maps.shape[-2]))[:, None] * ramp(int(maps.shape[-1]))


def halve(maps: Tensor) -> Tensor:
    """Return the next level of a pyramid; a map with a side of 10 px or less stays unchanged."""
    if min(maps.shape[-2:]) <= _SMALLEST:
        return maps
    rows, columns = _halving_matrix(int(maps.shape[-2])).to(maps), _halving_matrix(int(maps.shape[-1])).to(maps)
    return rows @ maps @ columns.T


@lru_cache(maxsize=32)
def _halving_matrix(length: int) -> Tensor:
    """Return [1 5 10 10 5 1] around every second sample, normalized at the borders: ``(length // 2, length)``."""
    matrix = torch.zeros(length // 2, length, dtype=torch.float64)
    for row in range(length // 2):
        for tap, weight in enumerate((1.0, 5.0, 10.0, 10.0, 5.0, 1.0), start=2 * row - 2):
            if 0 <= tap < length:
                matrix[row, tap] = weight
    return matrix / matrix.sum(dim=1, keepdim=True)
