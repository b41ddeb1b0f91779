"""Rarity model after RARE2012 (Riche, Mancas, Duvinage, Mibulumukini, Gosselin & Dutoit, 2013): "RARE-style".

RARE2012 is public only as MATLAB p-code, so no comparison was possible. This model follows its publication and the
parameters passed to its p-code. Unspecified values are options here, with DeepRare2019's value or our own.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import imresize, min_max

ORIENTATIONS = 8
SCALES = 3
LEVELS = 4
THRESHOLD = 0.3


class RareStyle(ClassicalModel):
    """Self-information of colors and of oriented energy.

    The model computes three decorrelated color components, the Gabor energies of each, and the self-information of each
    map's values at several sizes. Maps are fused with weights that grow with the distance of peak and mean.

    Args:
        longest: Longer side in pixels of the analyzed image (not stated for RARE2012).
        bins: Number of bins of the histograms of values (DeepRare2019: 11).
        f_max: Highest center frequency of the Gabor filters, in cycles per pixel (not stated).

    Example:
        >>> images = torch.full((1, 3, 96, 128), 0.5) + 0.02 * torch.sin(torch.arange(128) * 0.9)
        >>> images[..., 30:40, 80:90] = torch.tensor([0.9, 0.2, 0.2])[:, None, None]
        >>> row, column = divmod(RareStyle()(images).argmax().item(), 128)
        >>> 28 <= row < 42, 78 <= column < 92
        (True, True)
    """

    def __init__(self, longest: int = 256, bins: int = 11, f_max: float = 0.25) -> None:
        super().__init__()
        if longest < 2**LEVELS or bins < 2 or not 0 < f_max <= 0.5:
            raise ValueError(
                f"longest must be at least {2**LEVELS}, bins 2 and f_max in (0, 0.5], got {longest}, {bins}, {f_max}"
            )
        self.longest = longest
        self.bins = bins
        self.f_max = f_max

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map at the size of the analysis, 0..1."""
        scale = self.longest / max(images.shape[2:])
        components = decorrelated(imresize(images, scale) if scale < 1 else images)  # (B, 3, h, w)
        energies = self.oriented(components)  # (B, 3, scales, orientations, h, w)
        by_scale = fuse(self_information(energies, self.bins))
        by_orientation = fuse(by_scale)  # (B, 3, h, w)
        by_color = self_information(components, self.bins)
        return min_max(fuse(fuse(torch.stack([by_color, by_orientation], dim=2))))

    def oriented(self, maps: Tensor) -> Tensor:
        """Return the magnitude of Gabor responses to maps ``(..., h, w)``: ``(..., scales, orientations, h, w)``."""
        bank = gabor_bank((int(maps.shape[-2]), int(maps.shape[-1])), self.f_max).to(maps)
        spectra = torch.fft.fft2(maps)
        return torch.fft.ifft2(spectra[..., None, None, :, :] * bank).abs()


def decorrelated(images: Tensor) -> Tensor:
    """Return the principal color components of each image, strongest first, ``(B, 3, h, w)``, each scaled to 0..1."""
    pixels = images.flatten(2)
    pixels = pixels - pixels.mean(dim=2, keepdim=True)
    directions = torch.linalg.eigh(pixels @ pixels.mT / pixels.shape[2]).eigenvectors.flip(2)  # columns
    return min_max((directions.mT @ pixels).reshape(images.shape))


def gabor_bank(size: tuple[int, int], f_max: float) -> Tensor:
    """Return Gabor transfer functions ``(scales, orientations, H, W)`` on the FFT grid, half an octave apart.

    Neighbors cross at half their height along and across the frequency (the simplegabor toolbox's widths).
    """
    v, u = torch.meshgrid(torch.fft.fftfreq(size[0]).double(), torch.fft.fftfreq(size[1]).double(), indexing="ij")
    spacing = math.sqrt(2)
    gamma = math.sqrt(math.log(2)) / math.pi * (spacing + 1) / (spacing - 1)
    eta = math.sqrt(math.log(2)) / math.pi * 2 * ORIENTATIONS / math.pi
    bank = []
    for scale in range(SCALES):
        frequency = f_max / spacing**scale
        for step in range(ORIENTATIONS):
            angle = math.pi * step / ORIENTATIONS
            along, across = u * math.cos(angle) + v * math.sin(angle), v * math.cos(angle) - u * math.sin(angle)
            exponent = gamma**2 * (along - frequency) ** 2 + eta**2 * across**2
            bank.append(torch.exp(-((math.pi / frequency) ** 2) * exponent))
    return torch.stack(bank).reshape(SCALES, ORIENTATIONS, *size)


def self_information(maps: Tensor, bins: int) -> Tensor:
    """Return ``-log`` of each value's frequency in its map, summed over map sizes: ``(..., h, w)``, 0..1.

    Args:
        maps: Shape ``(..., h, w)``; each map is scaled to 0..1 and divided into bins of equal width.
    """
    size = int(maps.shape[-2]), int(maps.shape[-1])
    flat = maps.reshape(-1, *size)
    total = torch.zeros_like(flat)
    for level in range(LEVELS):
        smaller = min_max(imresize(flat, 0.5**level, "bilinear") if level else flat)
        place = (smaller * bins).long().clamp(max=bins - 1).flatten(1)
        counts = torch.zeros(len(flat), bins, dtype=torch.float64, device=maps.device)
        counts.scatter_add_(1, place, torch.ones_like(place, dtype=torch.float64))
        rarity = -(counts / place.shape[1] + 1e-4).log().gather(1, place).reshape(smaller.shape)
        total = total + (imresize(rarity, size, "bilinear") if level else rarity)
    return min_max(total).reshape(maps.shape)


def fuse(maps: Tensor) -> Tensor:
    """Return the weighted sum of maps ``(..., N, h, w)`` over N.

    The weight is the rank of (max - mean)^2; the lowest 30% get no weight.
    """
    number = int(maps.shape[-3])
    scaled = min_max(maps)
    efficiency = (scaled.amax(dim=(-2, -1)) - scaled.mean(dim=(-2, -1))).square()
    rank = efficiency.argsort(dim=-1, stable=True).argsort(dim=-1)
    weight = (rank + 1).to(scaled) / number  # 1/N .. 1
    weight = torch.where(weight < THRESHOLD, 0.0, weight)
    return (scaled * weight[..., None, None]).sum(dim=-3)
