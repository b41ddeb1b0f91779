"""Use the explainable map of a network as a saliency model."""

from __future__ import annotations

from torch import Tensor, nn

from explainsal.explanation.explainer import Explainer


class ExplainableModel(nn.Module):
    """Model that returns explainable maps clamped at 0, as scored in evaluations.

    Args:
        explainer: Explainer of the network.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        >>> ExplainableModel(Explainer(net, "sparse"))(torch.rand(2, 3, 32, 48)).shape
        torch.Size([2, 1, 32, 48])
    """

    def __init__(self, explainer: Explainer) -> None:
        super().__init__()
        self.net = explainer.net  # so that it moves between devices with this module
        self.explainer = explainer

    def forward(self, images: Tensor) -> Tensor:
        """Return explainable maps ``(B, 1, H, W)`` of images ``(B, 3, H, W)``, non-negative."""
        return self.explainer(images).explainable_map.clamp(min=0)
