"""Base class of classical models: one non-negative map per image, at the size of the image."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from explainsal.classical.matlab import Kernel, imresize
from explainsal.functional.images import as_unit_float


class ClassicalModel(nn.Module, ABC):
    """Model without weights. Subclasses compute a map of their own size in `saliency`; `forward` enlarges it.

    All computations are in float64. These models threshold, rank and take logarithms, and agreement with the original
    code requires this precision. Images of a batch are independent.
    """

    enlarge: Kernel = "bicubic"

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Return saliency maps at the size of the images.

        Args:
            images: RGB, shape ``(B, 3, H, W)``: uint8, or floating point in [0, 1].

        Returns:
            Shape ``(B, 1, H, W)``, float32, non-negative.

        Raises:
            ValueError: If the shape or the number format is different.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be RGB (B, 3, H, W), got shape {tuple(images.shape)}")
        size = int(images.shape[2]), int(images.shape[3])
        maps = self.saliency(images.double() / 255 if images.dtype == torch.uint8 else as_unit_float(images).double())
        if tuple(maps.shape[-2:]) != size:
            maps = imresize(maps, size, self.enlarge)
        return maps.clamp(min=0).unsqueeze(1).float()

    @abstractmethod
    def saliency(self, images: Tensor) -> Tensor:
        """Return the model's own map, ``(B, h, w)`` float64, of float64 RGB images ``(B, 3, H, W)`` in [0, 1]."""
