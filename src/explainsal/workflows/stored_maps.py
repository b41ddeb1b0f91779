"""Treat maps from another tool as a model in an evaluation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from explainsal.data.predictions import Checked, Predictions
from explainsal.functional.images import resize


class StoredMaps(nn.Module):
    """Model that ignores the image and reads the stored map at its position in the data set.

    Args:
        checked: Result of `Predictions.check`.
    """

    needs_index = True

    def __init__(self, predictions: Predictions, checked: Checked) -> None:
        super().__init__()
        self.predictions = predictions
        self.checked = checked

    @property
    def description(self) -> str:
        """Steps applied to the maps before they are scored; empty for none."""
        steps = {
            "exponential of log-densities": self.checked.log_density,
            f"{self.checked.resized} maps resized bilinearly": self.checked.resized > 0,
        }
        return ", ".join(step for step, done in steps.items() if done)

    def forward(self, images: Tensor, index: Tensor) -> Tensor:
        """Return float64 maps ``(B, 1, H, W)`` of images ``(B, 3, H, W)`` at these positions of the data set."""
        size = int(images.shape[2]), int(images.shape[3])
        return torch.stack([self._map(i, size) for i in index.tolist()]).unsqueeze(1).to(images.device)

    def _map(self, index: int, size: tuple[int, int]) -> Tensor:
        saliency_map = torch.from_numpy(self.predictions.read(index))
        if self.checked.log_density:
            saliency_map = (saliency_map - saliency_map.max()).exp()
        return resize(saliency_map[None, None], size)[0, 0]
