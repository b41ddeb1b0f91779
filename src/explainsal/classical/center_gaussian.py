"""Fixed center bias: a Gaussian at the center, the same for every data set."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel


class CenterGaussian(ClassicalModel):
    """Gaussian whose standard deviations are a fraction of half the height and half the width.

    Args:
        sigma: The fraction.

    Example:
        >>> saliency_map = CenterGaussian()(torch.rand(1, 3, 61, 81))[0, 0]
        >>> saliency_map[30, 40].item(), round(saliency_map[30, 60].item(), 3)    # middle, about one sigma
        (1.0, 0.614)
    """

    def __init__(self, sigma: float = 0.5) -> None:
        super().__init__()
        if not sigma > 0:
            raise ValueError(f"sigma must be positive, got {sigma}")
        self.sigma = sigma

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map, with its maximum at the center."""
        rows, columns = (self._profile(int(n)).to(images) for n in images.shape[-2:])
        return (rows[:, None] * columns).expand(len(images), -1, -1)

    def _profile(self, length: int) -> Tensor:
        offset = (torch.arange(length, dtype=torch.float64) + 0.5) / (length / 2) - 1  # -1 .. 1
        return torch.exp(-0.5 * (offset / self.sigma) ** 2)
