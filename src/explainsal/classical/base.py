"""What every classical model has in common: images in, one non-negative map each out, at their size."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from explainsal.classical.matlab import Kernel, imresize
from explainsal.functional.images import as_unit_float


class ClassicalModel(nn.Module, ABC):
    """A model without weights. Subclasses compute a map of their own size in `saliency`; `forward` enlarges it.

    Everything is computed in float64: these models threshold, rank and take logarithms, and agreement with the
    original code needs it. Images of a batch never influence each other.
    """

    enlarge: Kernel = "bicubic"

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Saliency maps at the size of the images.

        Args:
            images: RGB, shape ``(B, 3, H, W)``: uint8, or floating point in [0, 1].

        Returns:
            Shape ``(B, 1, H, W)``, float32, non-negative.

        Raises:
            ValueError: If the shape or the number format is another.
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
        """The model's own map, ``(B, h, w)`` float64, of float64 RGB images ``(B, 3, H, W)`` in [0, 1]."""
