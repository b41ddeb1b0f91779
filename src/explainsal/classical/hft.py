"""Hypercomplex Fourier transform (Li, Levine, An, Xu & He, PAMI 2013)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, gaussian, imresize, min_max, round_half_away, rounded

SIZE = 128
SCALES = 8


class HFT(ClassicalModel):
    """Smoothing of the amplitude spectrum, which suppresses repeated patterns; the map of least entropy is kept.

    The left quaternion transform is applied to the opponent colors and the intensity, at 128x128 pixels.

    Args:
        blur_fraction: Sigma of the final blur relative to 128 px; 0.04 in the author's code, 0.05 in the paper.
        choice: Criterion of the scale: least entropy divided by the weight at the center (``centred``), or least
            entropy of maps without their border (``entropy``, the variant HFT(e)).
        centre_bias: Remove the border and multiply by a Gaussian at the center, as the author's file does by default.
            According to its comments, the paper did not.

    Raises:
        ValueError: If `choice` has another value.

    Example:
        >>> images = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 0.2
        >>> images[:, 0, 40:50, 70:80] = 1
        >>> row, column = divmod(HFT()(images).argmax().item(), 128)
        >>> 38 <= row < 52, 68 <= column < 82
        (True, True)
    """

    enlarge = "bilinear"

    def __init__(
        self,
        blur_fraction: float = 0.04,
        *,
        choice: Literal["centred", "entropy"] = "centred",
        centre_bias: bool = False,
    ) -> None:
        super().__init__()
        if choice not in _CHOICES:
            raise ValueError(f"choice must be one of {', '.join(_CHOICES)}, got {choice!r}")
        self.blur_fraction = blur_fraction
        self.choice = choice
        self.centre_bias = centre_bias

    def forward(self, images: Tensor) -> Tensor:
        """Return maps as `ClassicalModel.forward` does, scaled to 0..1 after enlarging."""
        maps = super().forward(images)
        if self.centre_bias:
            window = gaussian(127, 42.0)
            window = (window[:, None] * window / window.max() ** 2).to(maps)
            maps = maps * imresize(window, (int(maps.shape[-2]), int(maps.shape[-1])), "bilinear")
        return min_max(maps)

    def saliency(self, images: Tensor) -> Tensor:
        """Return the blurred map of the chosen scale, ``(B, 128, 128)``."""
        maps = self.scale_maps(images)
        chosen = _CHOICES[self.choice](maps).argmin(dim=1)
        best = maps.gather(1, chosen[:, None, None, None].expand(-1, 1, SIZE, SIZE)).squeeze(1)
        return self.smooth(best)

    def smooth(self, maps: Tensor) -> Tensor:
        """Apply the final blur to maps ``(..., 128, 128)``."""
        sigma = self.blur_fraction * SIZE
        maps = min_max(maps)
        return blur(without_border(maps, 2) if self.centre_bias else maps, rounded(4 * sigma), sigma)

    def scale_maps(self, images: Tensor) -> Tensor:
        """Return one map per smoothing of the spectrum, ``(B, 8, 128, 128)``, 0..1, with increasing smoothing."""
        red, green, blue = imresize(images * 255, (SIZE, SIZE), "bilinear").unbind(dim=1)
        yellow = ((red + green) / 2 - (red - green).abs() / 2 - blue).clamp(min=0)
        opponent = (red - (green + blue) / 2) - (green - (red + blue) / 2), (blue - (red + green) / 2) - yellow
        i, j, k = 0.25 * opponent[0], 0.25 * opponent[1], 0.5 * (red + green + blue) / 3
        # the quaternion transform about the axis (1, 1, 1) equals two complex transforms: along the axis, and across it
        along = torch.fft.fft2(torch.complex(torch.zeros_like(i), (i + j + k) / math.sqrt(3))) / SIZE
        across = torch.fft.fft2(torch.complex((i - j) / math.sqrt(2), (i + j - 2 * k) / math.sqrt(6))) / SIZE
        amplitude = (along.abs().square() + across.abs().square()).sqrt()
        divisor = torch.where(amplitude == 0, 1.0, amplitude)
        log = torch.log1p(torch.fft.fftshift(amplitude, dim=(-2, -1)))
        maps = []
        for scale in range(SCALES):
            smoothed = torch.fft.ifftshift(torch.expm1(blur(log, SIZE, 2.0 ** (scale - 1))), dim=(-2, -1))
            parts = (torch.fft.ifft2(smoothed * part / divisor) for part in (along, across))
            modulus = sum((part.abs().square() for part in parts), torch.zeros_like(log)).sqrt()
            maps.append(min_max(modulus).square())
        return torch.stack(maps, dim=1)


def without_border(maps: Tensor, width: int) -> Tensor:
    """Return the maps with zeros in the outermost rows and columns."""
    inner = torch.zeros_like(maps)
    inner[..., width:-width, width:-width] = maps[..., width:-width, width:-width]
    return inner


def entropies(maps: Tensor) -> Tensor:
    """Return each scale's criterion, ``(B, 8)``: entropy of the smoothed 8-bit map over its weight at the center."""
    window = gaussian(SIZE, SIZE / 4).to(maps)
    window = window[:, None] * window
    total = maps.sum(dim=(-2, -1))
    centred = (maps * (window / window.max())).sum(dim=(-2, -1)) / torch.where(total == 0, 1.0, total)
    return _entropy(maps, 0.02 * SIZE) / torch.where(centred == 0, 1.0, centred)


def border_free_entropies(maps: Tensor) -> Tensor:
    """Return each scale's criterion in HFT(e), ``(B, 8)``: the entropy of the map without border, smoothed more."""
    return _entropy(without_border(maps, 1), 0.03 * SIZE)


_CHOICES = {"centred": entropies, "entropy": border_free_entropies}


def _entropy(maps: Tensor, sigma: float) -> Tensor:
    """Return the entropy in bits of the smoothed 8-bit maps ``(B, 8, 128, 128)``, as ``(B, 8)``."""
    smoothed = blur(maps, rounded(4 * sigma), sigma)
    level = round_half_away(255 * min_max(smoothed)).long().flatten(0, 1).flatten(1)
    counts = torch.zeros(len(level), 256, dtype=torch.float64, device=maps.device)
    counts.scatter_add_(1, level, torch.ones_like(level, dtype=torch.float64))
    share = counts / level.shape[1]
    return -(share * torch.where(share > 0, share, 1.0).log2()).sum(dim=1).reshape(maps.shape[:2])
