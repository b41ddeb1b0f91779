"""DINet (Yang et al., 2020): a dilated ResNet-50, a dilated inception module and three convolutions."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.trunks import DilatedResNet50, Normalized


class DINet(Normalized):
    """Network of "A Dilated Inception Network for Visual Saliency Prediction".

    The trunk is followed by a 1x1 convolution to 256 maps, three parallel 3x3 convolutions with dilations 4, 8 and 16
    whose outputs are added, and a decoder. No convolution has a bias. The network has 26,983,744 parameters and 53,120
    BatchNorm statistics. The 27.04 million of the paper's Table IV include these statistics.

    Example:
        >>> sum(p.numel() for p in DINet().parameters())
        26983744
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = DilatedResNet50()
        self.reduce = nn.Sequential(nn.Conv2d(2048, 256, 1, bias=False), nn.ReLU())
        self.branches = nn.ModuleList(_conv(256, dilation=dilation) for dilation in (4, 8, 16))
        last = nn.Conv2d(256, 1, 3, padding=1, bias=False)
        self.decoder = nn.Sequential(_conv(256), _conv(256), last, nn.Sigmoid())

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency: ``(B, 3, H, W)``, RGB in [0, 1], to ``(B, 1, H, W)`` in [0, 1]."""
        x = self.reduce(self.trunk(self.normalized(images))[1])
        first, second, third = (branch(x) for branch in self.branches)
        maps = self.decoder(first + second + third)
        return resize_bilinear(maps, (images.shape[-2], images.shape[-1]))


def _conv(channels: int, dilation: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False), nn.ReLU(inplace=True)
    )


def build(*, input_size: tuple[int, int] = (320, 480), weights: str | Path | None = None) -> SaliencyModel:
    """Build DINet with its preprocessing: images are resized to `input_size` (H, W)."""
    model = SaliencyModel(DINet(), name="dinet", options={"input_size": list(input_size)}, input_size=input_size)
    return model.load_weights(weights) if weights is not None else model
