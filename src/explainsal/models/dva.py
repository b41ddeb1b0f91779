"""DVA (Wang and Shen, 2018): VGG-16 with one map predicted from each of stages 3, 4 and 5, and a fusion of the maps."""

from __future__ import annotations

import itertools
from pathlib import Path

import torch
from torch import Tensor, nn

from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.trunks import Normalized, vgg16_stages


class DVA(Normalized):
    """Network of "Deep Visual Attention Prediction".

    Every branch doubles its maps with transposed 4x4 convolutions and ends in one map; a 3x3 convolution fuses the
    maps. The network has 25,072,735 parameters. The original crops the outputs of the transposed convolutions to the
    input's size; this network resizes them, by a few pixels.

    Example:
        >>> sum(p.numel() for p in DVA().parameters())
        25072735
    """

    def __init__(self) -> None:
        super().__init__()
        self.stages = vgg16_stages()
        self.branches = nn.ModuleList(
            [_branch(256, 128, 64), _branch(512, 256, 128, 64), _branch(512, 512, 256, 128, 64)]
        )
        self.fuse = nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency: ``(B, 3, H, W)``, RGB in [0, 1], to ``(B, 1, H, W)`` in [0, 1]."""
        x, size = self.normalized(images), (images.shape[-2], images.shape[-1])
        logits = []
        for number, stage in enumerate(self.stages):
            x = stage(x)
            if number >= 2:
                logits.append(resize_bilinear(self.branches[number - 2](x), size))
        return torch.sigmoid(self.fuse(torch.cat(logits, dim=1)))


def _branch(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in itertools.pairwise(channels):
        layers += [nn.ConvTranspose2d(before, after, 4, stride=2, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Conv2d(channels[-1], 1, 3, padding=1))


def build(*, input_size: tuple[int, int] = (224, 224), weights: str | Path | None = None) -> SaliencyModel:
    """Build DVA with its preprocessing: images are resized to `input_size` (H, W)."""
    model = SaliencyModel(DVA(), name="dva", options={"input_size": list(input_size)}, input_size=input_size)
    return model.load_weights(weights) if weights is not None else model
