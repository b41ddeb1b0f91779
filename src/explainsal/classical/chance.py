"""Chance level: a uniform map, the lower reference of tables."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Chance(nn.Module):
    """Uniform map.

    Example:
        >>> Chance()(torch.rand(2, 3, 4, 5)).unique().tolist()
        [1.0]
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return ones ``(B, 1, H, W)``, float32, for images ``(B, 3, H, W)``."""
        return torch.ones(images.shape[0], 1, *images.shape[2:], device=images.device)
