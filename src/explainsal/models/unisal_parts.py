"""Modules of UNISAL: normalization by domain, inverted residuals, the encoder, skips, priors, the recurrent cell.

Members have the names of the published weights. They come from upstream's state dict, not from its code.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DOMAINS = ("DHF1K", "Hollywood", "UCFSports", "SALICON")
_GROUPS = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
_SUBSAMPLED = (2, 4, 7, 14)  # modules whose output keeps every second row and column
_SKIP_4X, _SKIP_2X = 7, 14
_PRIORS = 16
_SMOOTHING, _REPEATED = 41, 8  # side of the last convolution, and repetitions of each pixel along a side
_MOMENTUM = 0.01  # momentum of the running statistics, for batches of few clips with similar frames
_IMAGE_MOMENTUM = 0.1  # the same for batches of images

Norm = Callable[[int], nn.Module]


def slow_norm(channels: int) -> nn.BatchNorm2d:
    """Build a batch normalization whose running statistics change slowly in training."""
    return nn.BatchNorm2d(channels, momentum=_MOMENTUM)


class DomainBatchNorm(nn.Module):
    """Batch normalization per domain; `domain` selects the active one."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.domain = DOMAINS[-1]
        for domain in DOMAINS:
            momentum = _IMAGE_MOMENTUM if domain == "SALICON" else _MOMENTUM
            self.add_module(f"bn_{domain}", nn.BatchNorm2d(channels, momentum=momentum))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(B, C, H, W)`` with the statistics of the domain."""
        return self.get_submodule(f"bn_{self.domain}")(x)


def pointwise(channels_in: int, channels_out: int, *, bias: bool = False) -> nn.Conv2d:
    """Build a 1x1 convolution."""
    return nn.Conv2d(channels_in, channels_out, 1, bias=bias)


def depthwise(channels: int) -> nn.Conv2d:
    """Build a depthwise 3x3 convolution."""
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)


class InvertedResidual(nn.Module):
    """MobileNetV2's block: expansion, depthwise convolution, linear projection (Sandler et al., 2018)."""

    def __init__(self, inp: int, out: int, *, expansion: int, residual: bool = False, norm: Norm = nn.BatchNorm2d):
        super().__init__()
        hidden = inp * expansion
        widen = [pointwise(inp, hidden), norm(hidden), nn.ReLU6(inplace=True)] if expansion != 1 else []
        filtering = [depthwise(hidden), norm(hidden), nn.ReLU6(inplace=True)]
        self.conv = nn.Sequential(*widen, *filtering, pointwise(hidden, out), norm(out))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inp, H, W)`` to ``(B, out, H, W)``."""
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Encoder that subsamples after the block instead of using strides, so that skips get the full grid.

    A convolution of stride 2 computes the same values at the kept positions, but none in between.
    """

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(nn.Conv2d(3, 32, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU6(True))
        blocks: list[nn.Module] = [first]
        channels = 32
        for expansion, width, count, stride in _GROUPS:
            for i in range(count):
                residual = channels == width and not (stride == 2 and i == 0)
                blocks.append(InvertedResidual(channels, width, expansion=expansion, residual=residual))
                channels = width
        blocks.append(nn.Sequential(pointwise(channels, 1280), nn.BatchNorm2d(1280), nn.ReLU6(inplace=True)))
        self.features = nn.ModuleList(blocks)
        self.subsampled = list(_SUBSAMPLED)

    def stride_where_unseen(self) -> None:
        """Set stride 2 in blocks whose full map feeds no skip, so that discarded positions are not computed.

        The features stay the same; maps inside these blocks are smaller.
        """
        for i in [i for i in self.subsampled if i not in (_SKIP_4X, _SKIP_2X)]:
            row = cast(InvertedResidual, self.features[i]).conv
            (spatial,) = (conv for conv in row if isinstance(conv, nn.Conv2d) and conv.groups > 1)
            spatial.stride = (2, 2)
            self.subsampled.remove(i)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features of images: 1280 maps at 1/32 of the size, 160 at 1/16, 64 at 1/8."""
        skips = []
        for i, block in enumerate(self.features):
            x = block(x)
            if i in (_SKIP_4X, _SKIP_2X):
                skips.append(x)
            if i in self.subsampled:
                x = x[:, :, ::2, ::2]
        return x, skips[1], skips[0]


class Skip(nn.Module):
    """Skip connection: 1x1 convolutions that expand and reduce, with dropout of whole channels in between."""

    def __init__(self, inp: int, hidden: int, out: int) -> None:
        super().__init__()
        self.expansion = nn.Sequential(pointwise(inp, hidden), DomainBatchNorm(hidden), nn.ReLU6(inplace=True))
        self.dropout = nn.Dropout2d(0.6)
        self.reduction = nn.Sequential(pointwise(hidden, out, bias=True), DomainBatchNorm(out))

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, inp, H, W)`` to ``(B, out, H, W)``."""
        return self.reduction(self.dropout(self.expansion(x)))


def initial_priors() -> Tensor:
    """Return initial centers and log widths ``(16, (y, x), (mu, log std))`` of the priors, in image lengths."""
    quarters = (0.25, 0.5, 0.75)
    spots = [(y, -1.5, x, -1.5) for y in quarters for x in quarters]
    columns = [(0.5, 0.0, x, -1.5) for x in quarters]
    rows = [(y, -1.5, 0.5, 0.0) for y in quarters]
    return torch.tensor([*spots, *columns, *rows, (0.5, 0.0, 0.5, 0.0)]).reshape(_PRIORS, 2, 2)


def prior_maps(priors: Tensor, size: tuple[int, int]) -> Tensor:
    """Sample Gaussians of height 6 on a map with corners (0, 0) and (1, 1): ``(16, H, W)`` from ``(16, 2, 2)``."""
    # no linspace: torch.export would fix the size to that of its example
    grids = [torch.arange(side, device=priors.device).to(priors.dtype) / max(side - 1, 1) for side in size]
    mu, std = priors[..., 0], priors[..., 1].exp()  # (16, 2)
    down, across = (((grid - mu[:, i, None]) / std[:, i, None]).square() for i, grid in enumerate(grids))
    return 6 * torch.exp(-down / 2)[:, :, None] * torch.exp(-across / 2)[:, None, :]


class Smoothing(nn.Conv2d):
    """Fused 8 x 8 pixel repetition and 41 x 41 convolution with repeated borders.

    In the enlarged map, the window of 41 rows around a row holds at most 7 different rows. Each of the 64 positions in
    a block therefore depends on 7 x 7 pixels of the small map, through a kernel whose entries are sums of entries of
    the large kernel. This is the same function with a 34th of the multiplications. The initial kernel is a Gaussian of
    sum 1.

    Example:
        >>> smooth, maps = Smoothing(), torch.rand(1, 1, 3, 4)
        >>> large = F.pad(maps.repeat_interleave(8, 2).repeat_interleave(8, 3), (20, 20, 20, 20), mode="replicate")
        >>> torch.allclose(smooth(maps), F.conv2d(large, smooth.weight), atol=1e-6)
        True
    """

    sums: Tensor

    def __init__(self) -> None:
        super().__init__(1, 1, _SMOOTHING, bias=False)
        half = _SMOOTHING // 2
        self.reach = -(-half // _REPEATED)  # pixels of the small map on either side
        places, taps = torch.arange(_REPEATED)[:, None], torch.arange(_SMOOTHING)
        reached = torch.div(places + taps - half, _REPEATED, rounding_mode="floor") + self.reach  # (8, 41)
        sums = F.one_hot(reached, 2 * self.reach + 1).movedim(-1, 1).reshape(-1, _SMOOTHING)
        self.register_buffer("sums", sums.float(), persistent=False)  # (8 * 7, 41)

    def reset_parameters(self) -> None:
        """Reset the kernel to a Gaussian of sum 1."""
        start = torch.tensor([[[0.5, -2.0], [0.5, -2.0]]], device=self.weight.device)
        with torch.no_grad():
            kernel = prior_maps(start, (_SMOOTHING, _SMOOTHING))
            self.weight.copy_((kernel / kernel.sum())[None])

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, 1, H, W)`` to ``(B, 1, 8 H, 8 W)``."""
        side = 2 * self.reach + 1
        kernels = (self.sums @ self.weight[0, 0] @ self.sums.T).reshape(_REPEATED, side, _REPEATED, side)
        kernels = kernels.transpose(1, 2).reshape(_REPEATED**2, 1, side, side)
        maps = F.conv2d(F.pad(x, (self.reach,) * 4, mode="replicate"), kernels)
        return F.pixel_shuffle(maps, _REPEATED)


class SeparableConv(nn.Module):
    """Depthwise 3x3 convolution, normalization, ReLU6, pointwise convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_dw = depthwise(channels)
        self.sep_bn = DomainBatchNorm(channels)
        self.sep_relu = nn.ReLU6(inplace=True)
        self.conv_sep = pointwise(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(B, C, H, W)`` to the same shape."""
        return self.conv_sep(self.sep_relu(self.sep_bn(self.conv_dw(x))))


class ConvGRUCell(nn.Module):
    """Convolutional gated recurrent unit whose gates have scaled, normalized inputs.

    In training, each gate applies one dropout mask per sequence to the input's channels.
    """

    drop_mask_1: Tensor
    b_r: Tensor
    b_z: Tensor
    b_h: Tensor
    rate = 0.2

    def __init__(self, channels: int) -> None:
        super().__init__()
        for gate in ("r", "z", "h"):
            self.register_parameter(f"b_{gate}", nn.Parameter(torch.zeros(channels, 1, 1)))
            for what in ("x", "h"):
                self.register_parameter(f"a_{gate}_{what}", nn.Parameter(torch.ones(channels, 1, 1)))
                self.add_module(f"norm_{'out' if gate == 'h' else gate}_{what}", DomainBatchNorm(channels))
        for name in ("w_r", "u_r", "w_z", "u_z", "w", "u"):
            self.add_module(name, SeparableConv(channels))
        self.register_buffer("drop_mask_1", torch.ones(3, channels))

    def reset_parameters(self) -> None:
        """Reset biases to 0 and scales to 1; submodules initialize their own weights."""
        with torch.no_grad():
            for name, parameter in self.named_parameters(recurse=False):
                parameter.fill_(0.0 if name.startswith("b_") else 1.0)

    def start_sequence(self) -> None:
        """Draw new dropout masks for a training sequence; evaluation does not use the random generator."""
        if self.training:
            kept = torch.rand_like(self.drop_mask_1) >= self.rate
            self.drop_mask_1 = kept.to(self.drop_mask_1) / (1 - self.rate)

    def forward(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Return the next state ``(B, C, H, W)`` from an input and a state of the same shape."""
        inputs = [x * mask[:, None, None] for mask in self.drop_mask_1] if self.training else [x] * 3
        reset = torch.sigmoid(self._term("r", "x", inputs[0]) + self._term("r", "h", hidden) + self.b_r)
        update = torch.sigmoid(self._term("z", "x", inputs[1]) + self._term("z", "h", hidden) + self.b_z)
        new = torch.tanh(self._term("h", "x", inputs[2]) + reset * self._term("h", "h", hidden) + self.b_h)
        return (1 - update) * hidden + update * new

    def _term(self, gate: str, what: str, value: Tensor) -> Tensor:
        """Return the scaled, normalized convolution of the input or of the state, for one gate."""
        stem = "w" if what == "x" else "u"
        conv = self.get_submodule(stem if gate == "h" else f"{stem}_{gate}")
        norm = self.get_submodule(f"norm_{'out' if gate == 'h' else gate}_{what}")
        return self.get_parameter(f"a_{gate}_{what}") * norm(conv(value))


class ConvGRU(nn.Module):
    """Convolutional GRU: the cell applied along time."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cell_list = nn.ModuleList([ConvGRUCell(channels)])

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return all states ``(B, T, C, H, W)`` for an input of that shape, and the last state ``(B, C, H, W)``."""
        cell = cast(ConvGRUCell, self.cell_list[0])
        if hidden is None:
            cell.start_sequence()
            hidden = torch.zeros_like(x[:, 0])
        states = []
        for t in range(x.shape[1]):
            hidden = cell(x[:, t], hidden)
            states.append(hidden)
        return torch.stack(states, dim=1), hidden
