"""Trunks of the networks in Table IV: a ResNet-50 at an eighth of the resolution, and the layers of VGG-16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RGB_MEAN = (0.485, 0.456, 0.406)
RGB_STD = (0.229, 0.224, 0.225)


class Normalized(nn.Module):
    """Network whose input images in [0, 1] are normalized by the mean and standard deviation of ImageNet."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(RGB_STD).reshape(1, 3, 1, 1), persistent=False)

    def normalized(self, images: Tensor) -> Tensor:
        """Normalize images ``(B, 3, H, W)`` in [0, 1] for the trunk."""
        return (images - self.mean) / self.std


class Bottleneck(nn.Module):
    """Bottleneck block (He et al., 2016): 1x1, 3x3 and 1x1 convolutions with BatchNorm, and a shortcut.

    Args:
        width: Channels of the 3x3 convolution; the output has four times as many.
        stride: Stride of the first convolution, as in the original code.
        dilation: Dilation of the 3x3 convolution.
        bias: Whether the convolutions before BatchNorm have a bias.
    """

    def __init__(self, channels_in: int, width: int, *, stride: int, dilation: int, bias: bool) -> None:
        super().__init__()
        channels = 4 * width
        self.conv1, self.bn1 = nn.Conv2d(channels_in, width, 1, stride, bias=bias), nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=bias)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3, self.bn3 = nn.Conv2d(width, channels, 1, bias=bias), nn.BatchNorm2d(channels)
        self.shortcut: nn.Module = nn.Identity()
        if channels_in != channels:
            projection = nn.Conv2d(channels_in, channels, 1, stride, bias=bias)
            self.shortcut = nn.Sequential(projection, nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels_in, H, W)`` to ``(B, 4 width, H / stride, W / stride)``."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


class DilatedResNet50(nn.Module):
    """ResNet-50 without its classifier, at an eighth of the resolution: stages 4 and 5 are dilated instead of strided.

    The dilations are 2 and 4.

    Args:
        bias: Whether convolutions have a bias, as in Keras' ResNet-50.
        stem_bias: Whether the first convolution has a bias; in Caffe's ResNet-50 only this one does. Default: `bias`.
    """

    def __init__(self, *, bias: bool = False, stem_bias: bool | None = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, padding=3, bias=bias if stem_bias is None else stem_bias)
        self.bn1, self.pool = nn.BatchNorm2d(64), nn.MaxPool2d(3, 2, padding=1)
        self.stage2 = _stage(64, 64, 3, stride=1, dilation=1, bias=bias)
        self.stage3 = _stage(256, 128, 4, stride=2, dilation=1, bias=bias)
        self.stage4 = _stage(512, 256, 6, stride=1, dilation=2, bias=bias)
        self.stage5 = _stage(1024, 512, 3, stride=1, dilation=4, bias=bias)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return stages 4 and 5 of images ``(B, 3, H, W)``: 1024 and 2048 maps at an eighth of the resolution."""
        x = self.stage2(self.pool(F.relu(self.bn1(self.conv1(images)))))
        fourth = self.stage4(self.stage3(x))
        return fourth, self.stage5(fourth)


def _stage(channels_in: int, width: int, count: int, *, stride: int, dilation: int, bias: bool) -> nn.Sequential:
    first = Bottleneck(channels_in, width, stride=stride, dilation=dilation, bias=bias)
    others = [Bottleneck(4 * width, width, stride=1, dilation=dilation, bias=bias) for _ in range(count - 1)]
    return nn.Sequential(first, *others)


def vgg16_stages() -> nn.ModuleList:
    """Build the five convolution stages of VGG-16 (Simonyan and Zisserman, 2015); stages 2 to 5 begin with pooling."""
    stages, channels = [], 3
    for i, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if i else []
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        stages.append(nn.Sequential(*layers))
    return nn.ModuleList(stages)
