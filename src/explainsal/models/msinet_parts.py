"""Modules of MSI-Net: convolutions with ReLU, pooling without stride, TensorFlow 1's upsampling, ASPP."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Conv(nn.Conv2d):
    """Convolution that keeps the map's size, initialized as in TensorFlow: Glorot uniform weights, zero bias."""

    def __init__(self, channels_in: int, channels_out: int, side: int = 3, *, dilation: int = 1) -> None:
        super().__init__(channels_in, channels_out, side, padding=dilation * (side // 2), dilation=dilation)

    def reset_parameters(self) -> None:
        """Reinitialize the weights."""
        nn.init.xavier_uniform_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)


class ConvReLU(Conv):
    """Convolution with its ReLU, a single layer as in TensorFlow."""

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels_in, H, W)`` to ``(B, channels_out, H, W)``, non-negative."""
        return F.relu_(super().forward(x))


class PoolInPlace(nn.MaxPool2d):
    """Max pooling of size 2 and stride 1, padded to the right and below only."""

    def __init__(self) -> None:
        super().__init__(2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pool non-negative maps ``(B, C, H, W)`` to the same shape."""
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Twice(nn.Upsample):
    """Upsampling by 2 as in TensorFlow 1: pixels keep the even positions, odd positions are means of their neighbors.

    Neither `align_corners` mode of torch does this: the source of row i is i / 2, and the last row is repeated.

    Example:
        >>> Twice()(torch.tensor([[[[0.0, 4.0]]]])).tolist()
        [[[[0.0, 2.0, 4.0, 4.0], [0.0, 2.0, 4.0, 4.0]]]]
    """

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear")

    def forward(self, x: Tensor) -> Tensor:
        """Enlarge ``(B, C, H, W)`` to ``(B, C, 2 H, 2 W)``."""
        return _doubled(_doubled(x, 3), 2)


def _doubled(x: Tensor, dim: int) -> Tensor:
    following = torch.cat([x.narrow(dim, 1, x.shape[dim] - 1), x.narrow(dim, x.shape[dim] - 1, 1)], dim)
    return torch.stack([x, (x + following) / 2], dim + 1).flatten(dim, dim + 1)


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: five branches, from a single pixel to the whole map, and their fusion."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1_1 = ConvReLU(1280, 256, 1)
        self.conv1_2 = ConvReLU(1280, 256, dilation=4)
        self.conv1_3 = ConvReLU(1280, 256, dilation=8)
        self.conv1_4 = ConvReLU(1280, 256, dilation=12)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.conv1_5 = ConvReLU(1280, 256, 1)
        self.conv2 = ConvReLU(1280, 256, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 1280, H, W)`` to ``(B, 256, H, W)``."""
        near = [conv(x) for conv in (self.conv1_1, self.conv1_2, self.conv1_3, self.conv1_4)]
        whole = self.conv1_5(self.mean(x)).expand_as(near[0])
        return self.conv2(torch.cat([*near, whole], dim=1))
