"""CMRNet, the paper's own saliency network (Section III): multi-scale residual blocks, dilated inception, decoder.

Shapes at the default width, for an image of H x W (the paper prints none of the widths; docs/decisions/0006)::

    stem          3 -> 64                H x W
    CMR block     64 -> 64, max pooling  H x W      ->  H/2 x W/2
    CMR block     64 -> 64, max pooling  H/2 x W/2  ->  H/4 x W/4
    CMR block     64 -> 64               H/4 x W/4
    DIM           64 -> 96               H/4 x W/4
    decoder       96 -> 64 -> 64 -> 1    H/4 x W/4  ->  H x W
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.models.saliency_model import SaliencyModel

DILATIONS = (4, 8, 16)  # [alpha, beta, gamma] of Section III-A
RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _conv(channels_in: int, channels_out: int, kernel: int, dilation: int = 1) -> nn.Conv2d:
    """Build a convolution that keeps the map's size."""
    return nn.Conv2d(channels_in, channels_out, kernel, padding=dilation * (kernel // 2), dilation=dilation)


class CMRBlock(nn.Module):
    """Cross-concatenated multi-scale residual block (Eqs. 5-10): two paths of 3x3 and 5x5 that exchange their maps."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.t1 = _conv(width, width, 3)
        self.f1 = _conv(width, width, 5)
        self.t2 = _conv(2 * width, 2 * width, 3)
        self.f2 = _conv(2 * width, 2 * width, 5)
        self.fuse = _conv(4 * width, width, 1)
        self.relu_t1, self.relu_f1, self.relu_t2, self.relu_f2 = (nn.ReLU(inplace=True) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, w, H, W)`` to the same shape."""
        first = torch.cat([self.relu_t1(self.t1(x)), self.relu_f1(self.f1(x))], dim=1)  # (B, 2w, H, W)
        second = torch.cat([self.relu_t2(self.t2(first)), self.relu_f2(self.f2(first))], dim=1)  # (B, 4w, H, W)
        return self.fuse(second) + x


class DilatedInception(nn.Module):
    """Dilated inception module of DINet: a 1x1 convolution, then the sum of parallel dilated 3x3 convolutions."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(_conv(channels, width, 1), nn.ReLU(inplace=True))
        self.branches = nn.ModuleList(
            nn.Sequential(_conv(width, width, 3, dilation=d), nn.ReLU(inplace=True)) for d in DILATIONS
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels, H, W)`` to ``(B, width, H, W)``."""
        x = self.reduce(x)
        near, middle, far = (branch(x) for branch in self.branches)
        return near + middle + far


class CMRNet(nn.Module):
    """Bare network: RGB images in [0, 1] to saliency maps in [0, 1] of the same size.

    Args:
        width: Channels w of the stem and of the first layers of the blocks. The second layers have 2w channels, the
            dilated inception module 3w/2, the decoder w. Width 64 gives 2,489,473 parameters, the paper's 2.5 million.

    Raises:
        ValueError: If the width is not a positive even number.

    Example:
        >>> CMRNet(width=8)(torch.rand(2, 3, 37, 50)).shape
        torch.Size([2, 1, 37, 50])
        >>> sum(p.numel() for p in CMRNet().parameters())
        2489473
    """

    mean: Tensor
    std: Tensor

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        if width <= 0 or width % 2:
            raise ValueError(f"width must be a positive even number, got {width}")
        inception = 3 * width // 2
        self.stem = nn.Sequential(_conv(3, width, 3), nn.ReLU(inplace=True))
        self.block1, self.block2, self.block3 = (CMRBlock(width) for _ in range(3))
        self.pool1, self.pool2 = nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, ceil_mode=True)
        self.inception = DilatedInception(width, inception)
        self.decoder = nn.Sequential(
            _conv(inception, width, 3),
            nn.ReLU(inplace=True),
            _conv(width, width, 3),
            nn.ReLU(inplace=True),
            _conv(width, 1, 3),
        )
        self.sigmoid = nn.Sigmoid()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(RGB_STD).reshape(3, 1, 1), persistent=False)
        self._initialize()

    def _initialize(self) -> None:
        """Apply He initialization, with small residual branches and small logits.

        The network has no batch normalization, so the initialization sets the scale of the activations. With plain He
        initialization the blocks amplify each other and the sigmoid starts saturated (docs/decisions/0006).
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, module.bias))
        with torch.no_grad():
            for last in (self.block1.fuse, self.block2.fuse, self.block3.fuse, self.decoder[-1]):
                cast(Tensor, last.weight).mul_(0.1)

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency.

        Args:
            images: Shape ``(B, 3, H, W)``, RGB in [0, 1], any size.

        Returns:
            Shape ``(B, 1, H, W)``, values in [0, 1]; not normalized.
        """
        x = self.stem((images - self.mean) / self.std)
        x = self.pool1(self.block1(x))
        x = self.pool2(self.block2(x))
        x = self.inception(self.block3(x))
        x = self.sigmoid(self.decoder(x))
        x = F.interpolate(x, size=images.shape[-2:], mode="bicubic", align_corners=False)
        return x.clamp(0, 1)  # bicubic interpolation overshoots


def build(
    *, width: int = 64, input_size: tuple[int, int] | None = (320, 480), weights: str | Path | None = None
) -> SaliencyModel:
    """Build CMRNet with its preprocessing.

    Args:
        width: See `CMRNet`.
        input_size: Height and width that images are resized to, the paper's 320 x 480. None keeps the native size.
        weights: File with the weights. None: the network is untrained.
    """
    options = {"width": width, "input_size": None if input_size is None else list(input_size)}
    model = SaliencyModel(CMRNet(width), name="cmrnet", options=options, input_size=input_size)
    return model.load_weights(weights) if weights is not None else model
