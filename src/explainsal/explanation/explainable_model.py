"""The explainable map of a network as a saliency model of its own."""

from __future__ import annotations

from torch import Tensor, nn

from explainsal.explanation.explainer import Explainer


class ExplainableModel(nn.Module):
    """Maps images to explainable maps, clamped at 0: what evaluations score, as a module to predict with.

    Args:
        explainer: Of the network.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        >>> ExplainableModel(Explainer(net, "sparse"))(torch.rand(2, 3, 32, 48)).shape
        torch.Size([2, 1, 32, 48])
    """

    def __init__(self, explainer: Explainer) -> None:
        super().__init__()
        self.net = explainer.net  # moved between devices with this module
        self.explainer = explainer

    def forward(self, images: Tensor) -> Tensor:
        """Explainable maps ``(B, 1, H, W)`` of images ``(B, 3, H, W)``, non-negative."""
        return self.explainer(images).explainable_map.clamp(min=0)
