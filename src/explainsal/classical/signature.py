"""Image signature: the signs of the discrete cosine transform (Hou, Harel & Koch, PAMI 2012)."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import torch
from kornia.color import rgb_to_linear_rgb
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, imresize, min_max, rounded

_TO_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))
_WHITE = (0.95047, 1.0, 1.08883)


class Signature(ClassicalModel):
    """Inverse cosine transform of the signs of the transform, which concentrates on a sparse foreground.

    Args:
        width: Width in pixels of the small image that is transformed; the aspect ratio is kept.
        blur_fraction: Sigma of the final blur relative to the width; 0 skips the blur.
        color: Transformed channels: ``rgb``, or ``lab`` (CIELAB of sRGB), which the authors recommend.

    Raises:
        ValueError: If `color` has another value.

    Example:
        >>> images = torch.zeros(1, 3, 48, 64)
        >>> images[..., 10:14, 40:44] = 1
        >>> row, column = divmod(Signature()(images).argmax().item(), 64)
        >>> 10 <= row < 14, 40 <= column < 44
        (True, True)
    """

    def __init__(self, width: int = 64, blur_fraction: float = 0.045, *, color: Literal["rgb", "lab"] = "rgb") -> None:
        super().__init__()
        if color not in ("rgb", "lab"):
            raise ValueError(f"color must be rgb or lab, got {color!r}")
        self.color = color
        self.width = width
        self.blur_fraction = blur_fraction

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map of the small image, 0..1."""
        planes = to_lab(images) if self.color == "lab" else images
        small = imresize(planes, self.width / int(images.shape[-1]))
        rows, columns = (_dct_matrix(int(n)).to(small) for n in small.shape[-2:])
        signs = (rows @ small @ columns.T).sign()
        maps = (rows.T @ signs @ columns).square().mean(dim=1)
        if self.blur_fraction:
            sigma = self.blur_fraction * self.width
            maps = blur(maps, rounded(4 * sigma), sigma)
        return min_max(maps)


def to_lab(images: Tensor) -> Tensor:
    """Convert sRGB images ``(B, 3, H, W)`` in [0, 1] to CIELAB with the digits of MATLAB's D65 white.

    The signs of grays depend on these digits.
    """
    xyz = torch.einsum("xc,bchw->bxhw", torch.tensor(_TO_XYZ).to(images), rgb_to_linear_rgb(images))
    share = xyz / torch.tensor(_WHITE).to(images)[:, None, None]
    x, y, z = torch.where(share > 216 / 24389, share.clamp(min=0) ** (1 / 3), (24389 / 27 * share + 16) / 116).unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


@lru_cache(maxsize=16)
def _dct_matrix(length: int) -> Tensor:
    """Return the orthonormal DCT-II, ``(frequency, sample)``."""
    frequency, sample = torch.arange(length, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64)
    matrix = torch.cos(math.pi / length * (sample + 0.5) * frequency) * math.sqrt(2 / length)
    matrix[0] /= math.sqrt(2)
    return matrix
