"""Image signature: the signs of the discrete cosine transform (Hou, Harel & Koch, PAMI 2012)."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.matlab import blur, imresize, min_max, rounded


class Signature(ClassicalModel):
    """The inverse cosine transform of the signs of the transform concentrates on what is sparse, the foreground.

    Args:
        width: Width in pixels of the small image that is transformed; the aspect is kept.
        blur_fraction: Sigma of the final blur relative to the width; 0 leaves it out.

    Example:
        >>> images = torch.zeros(1, 3, 48, 64)
        >>> images[..., 10:14, 40:44] = 1
        >>> row, column = divmod(Signature()(images).argmax().item(), 64)
        >>> 10 <= row < 14, 40 <= column < 44
        (True, True)
    """

    def __init__(self, width: int = 64, blur_fraction: float = 0.045) -> None:
        super().__init__()
        self.width = width
        self.blur_fraction = blur_fraction

    def saliency(self, images: Tensor) -> Tensor:
        """Map of the small image, 0..1."""
        small = imresize(images, self.width / int(images.shape[-1]))
        rows, columns = (_dct_matrix(int(n)).to(small) for n in small.shape[-2:])
        signs = (rows @ small @ columns.T).sign()
        maps = (rows.T @ signs @ columns).square().mean(dim=1)
        if self.blur_fraction:
            sigma = self.blur_fraction * self.width
            maps = blur(maps, rounded(4 * sigma), sigma)
        return min_max(maps)


@lru_cache(maxsize=16)
def _dct_matrix(length: int) -> Tensor:
    """Orthonormal DCT-II, ``(frequency, sample)``."""
    frequency, sample = torch.arange(length, dtype=torch.float64)[:, None], torch.arange(length, dtype=torch.float64)
    matrix = torch.cos(math.pi / length * (sample + 0.5) * frequency) * math.sqrt(2 / length)
    matrix[0] /= math.sqrt(2)
    return matrix
