"""MSI-Net (Kroner, Senden, Driessens and Goebel, 2020): a VGG16 whose late stages keep their grid, ASPP, a decoder.

The function is the published TensorFlow network's, from its variables and measured values; docs/decisions/0016 has
what differs. Shapes for images of H x W, multiples of 8::

    conv1 .. conv3   3 -> 256              H/8 x W/8, after the third pooling
    conv4, conv5     256 -> 512 -> 512     H/8 x W/8, pooled without stride; conv5 is dilated by 2
    aspp             1280 -> 5 x 256 -> 256      of the three poolings together; one branch sees the mean alone
    decoder          256 -> 128 -> 64 -> 32 -> 1     H/4, H/2, H, H
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.models.unisal_parts import named

CHANNEL_MEANS = (103.939, 116.779, 123.68)  # of blue, green, red, but taken off red, green, blue: trained that way
_EPS = 1e-7
_GRID = 8  # pixels of the input per place of the coarsest maps


class ConvReLU(nn.Conv2d):
    """A convolution with its ReLU, one layer as in TensorFlow; the map keeps its size."""

    def __init__(self, channels_in: int, channels_out: int, side: int = 3, *, dilation: int = 1) -> None:
        super().__init__(channels_in, channels_out, side, padding=dilation * (side // 2), dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, channels_in, H, W)`` to ``(B, channels_out, H, W)``, non-negative."""
        return F.relu_(super().forward(x))


class PoolInPlace(nn.MaxPool2d):
    """The maximum of every pixel, its neighbours to the right and below: size 2, stride 1, padded there alone."""

    def __init__(self) -> None:
        super().__init__(2, stride=1)

    def forward(self, x: Tensor) -> Tensor:
        """Pool ``(B, C, H, W)``, which is not negative, to the same shape."""
        return super().forward(F.pad(x, (0, 1, 0, 1)))


class Twice(nn.Upsample):
    """Twice the size as in TensorFlow 1: pixels stay at the even places, odd ones are means of their neighbours.

    Neither `align_corners` of torch: the source of row i is i / 2, and the last row is repeated.

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
    """Five looks at the encoder's maps, from a pixel to the whole, brought together."""

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


class MSINet(nn.Module):
    """The bare network: RGB from 0 to 255 to a map in [0, 1) of the same size.

    The 46 entries of the state dict are the 46 variables of the TensorFlow graph, see :func:`variable_name`.

    Example:
        >>> with torch.device("meta"):
        ...     net = MSINet()
        >>> net(torch.zeros(1, 3, 240, 320, device="meta")).shape
        torch.Size([1, 1, 240, 320])
        >>> sum(p.numel() for p in net.parameters()), len(net.state_dict())
        (24934209, 46)
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _stage("conv1", 3, 64, 2)
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = _stage("conv2", 64, 128, 2)
        self.pool2 = nn.MaxPool2d(2)
        self.conv3 = _stage("conv3", 128, 256, 3)
        self.pool3 = nn.MaxPool2d(2)
        self.conv4 = _stage("conv4", 256, 512, 3)
        self.pool4 = PoolInPlace()
        self.conv5 = _stage("conv5", 512, 512, 3, dilation=2)
        self.pool5 = PoolInPlace()
        self.aspp = ASPP()
        self.decoder = named(
            up1=Twice(), conv1=ConvReLU(256, 128),
            up2=Twice(), conv2=ConvReLU(128, 64),
            up3=Twice(), conv3=ConvReLU(64, 32),
            conv4=nn.Conv2d(32, 1, 3, padding=1),
        )  # fmt: skip
        self.register_buffer("means", torch.tensor(CHANNEL_MEANS).reshape(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Predict maps.

        Args:
            x: Shape ``(B, 3, H, W)``, RGB from 0 to 255, H and W multiples of 8.

        Returns:
            Shape ``(B, 1, H, W)``, every map scaled by its extremes: 0 to just below 1.

        Raises:
            ValueError: If the shape is another one.
        """
        if x.ndim != 4 or x.shape[1] != 3 or any(side % _GRID or not side for side in x.shape[-2:]):
            raise ValueError(f"expected (B, 3, H, W) with sides that are multiples of 8, got {tuple(x.shape)}")
        fine = self.pool3(self.conv3(self.pool2(self.conv2(self.pool1(self.conv1(x - self.means))))))
        middle = self.pool4(self.conv4(fine))
        coarse = self.pool5(self.conv5(middle))
        return _scaled(self.decoder(self.aspp(torch.cat([fine, middle, coarse], dim=1))))


def _stage(name: str, channels_in: int, channels: int, count: int, *, dilation: int = 1) -> nn.Sequential:
    widths = [channels_in] + [channels] * count
    return named(
        **{f"{name}_{i + 1}": ConvReLU(widths[i], widths[i + 1], dilation=dilation) for i in range(count)}
    )  # fmt: skip


def _scaled(maps: Tensor) -> Tensor:
    above = maps - maps.amin((-2, -1), keepdim=True)
    return above / (_EPS + above.amax((-2, -1), keepdim=True))


def variable_name(key: str) -> str:
    """The TensorFlow variable of an entry of the state dict; kernels there have the axes (kh, kw, in, out).

    Example:
        >>> variable_name("conv1.conv1_1.weight"), variable_name("aspp.conv2.bias")
        ('conv1/conv1_1/kernel', 'aspp/conv2/bias')
    """
    return key.replace(".", "/").removesuffix("weight") + ("kernel" if key.endswith("weight") else "")
