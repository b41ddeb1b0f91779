"""Trunks of the networks in Table IV: a ResNet-50 that keeps an eighth of the resolution, and the layers of VGG-16."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

RGB_MEAN = (0.485, 0.456, 0.406)
RGB_STD = (0.229, 0.224, 0.225)


class Normalized(nn.Module):
    """A network that sees images in [0, 1] with the mean and deviation of ImageNet taken out."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(RGB_MEAN).reshape(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(RGB_STD).reshape(1, 3, 1, 1), persistent=False)

    def normalized(self, images: Tensor) -> Tensor:
        """Images ``(B, 3, H, W)`` in [0, 1] as the trunk wants them."""
        return (images - self.mean) / self.std


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, each with BatchNorm, beside a shortcut (He et al., 2016).

    Args:
        channels_in: Of the input.
        width: Of the 3x3 convolution; the output has four times as many.
        stride: Of the first convolution, as in the original code.
        dilation: Of the 3x3 convolution.
        bias: Whether convolutions have a bias in front of their BatchNorm.
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
    """ResNet-50 without its classifier whose stages 4 and 5 are dilated by 2 and 4 instead of strided: an eighth.

    Args:
        bias: Whether convolutions have a bias (Keras' ResNet-50) or not.
        stem_bias: The same of the first one (Caffe's has one there alone); default as `bias`.
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
        """Stages 4 and 5 of images ``(B, 3, H, W)``: 1024 and 2048 maps of an eighth of the sides."""
        x = self.stage2(self.pool(F.relu(self.bn1(self.conv1(images)))))
        fourth = self.stage4(self.stage3(x))
        return fourth, self.stage5(fourth)


def _stage(channels_in: int, width: int, count: int, *, stride: int, dilation: int, bias: bool) -> nn.Sequential:
    first = Bottleneck(channels_in, width, stride=stride, dilation=dilation, bias=bias)
    others = [Bottleneck(4 * width, width, stride=1, dilation=dilation, bias=bias) for _ in range(count - 1)]
    return nn.Sequential(first, *others)


def vgg16_stages() -> nn.ModuleList:
    """The five groups of 3x3 convolutions of VGG-16 (Simonyan and Zisserman, 2015), each from its pooling on."""
    stages, channels = [], 3
    for i, (width, count) in enumerate(((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))):
        layers: list[nn.Module] = [nn.MaxPool2d(2)] if i else []
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True)]
            channels = width
        stages.append(nn.Sequential(*layers))
    return nn.ModuleList(stages)
