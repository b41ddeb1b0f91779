"""Tiny networks that show one awkward trait each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

# `normalized` with each candidate matched alone (Eq. 2), and equal weights of pixels
MATCHING = {
    "coefficients": "inverse_mae", "selection": "correlation", "image_candidates": True, "fill_pool": True,
    "output_weight": 0.0,
}  # fmt: skip


class Plain(nn.Module):
    """Convolutions and an in-place ReLU that is called twice."""

    def __init__(self, channels: int = 4):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, channels, 3, padding=1), nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(channels, 1, 1)

    def forward(self, images):
        return self.last(self.relu(self.second(self.relu(self.first(images)))))


class Functional(nn.Module):
    """Branches, concat, residual sum, relu, pooling, interpolation and sigmoid without modules of their own."""

    def __init__(self):
        super().__init__()
        self.stem, self.left = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 3, padding=1)
        self.right, self.fuse = nn.Conv2d(4, 2, 1), nn.Conv2d(4, 4, 1)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, images):
        x = F.relu(self.stem(images), inplace=True)
        both = torch.cat([F.relu(self.left(x)), self.right(x)], dim=1)
        x = F.max_pool2d(self.fuse(both) + x, 2)
        x = torch.sigmoid(self.head(x))
        return F.interpolate(x, size=images.shape[-2:], mode="bicubic")


class Normalised(nn.Module):
    """Ends in a log-softmax over pixels ("softmax") or in a min-max scaling ("minmax"), in functional form."""

    def __init__(self, ending: str):
        super().__init__()
        self.body, self.head, self.ending = nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 1, 3, padding=1), ending

    def forward(self, images):
        x = self.head(self.body(images))
        if self.ending == "softmax":
            return F.log_softmax(x.flatten(1), dim=1).reshape(x.shape)
        low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
        return (x - low) / (high - low)


class Odd(nn.Module):
    """Tokens, a recurrent state, 1 x 1 maps, dropout, a branch that nobody uses."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.unused = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1), nn.Conv2d(4, 2, 1)
        self.tokens, self.state = nn.Linear(4, 4), nn.GRU(4, 4, batch_first=True)
        self.squeeze, self.drop = nn.AdaptiveAvgPool2d(1), nn.Dropout(0.5)

    def forward(self, images):
        x = self.drop(self.body(images))
        self.unused(x)
        tokens, _ = self.state(self.tokens(x.flatten(2).transpose(1, 2)))
        gate = torch.sigmoid(self.squeeze(x))
        return self.head(x * gate + tokens.transpose(1, 2).reshape(x.shape))


class Reserved(nn.Module):
    """Modules that are called as the image and the network's output are."""

    def __init__(self):
        super().__init__()
        self.input, self.middle = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.output = nn.Conv2d(4, 1, 1)

    def forward(self, images):
        return torch.sigmoid(self.output(F.relu(self.middle(self.input(images)))))


class ChannelsLast(nn.Module):
    """A block as ConvNeXt has it: norm of maps, then tokens (B, H, W, A) between two permutations."""

    class Norm(nn.LayerNorm):
        def forward(self, maps):
            return super().forward(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    class Permute(nn.Module):
        def __init__(self, *axes):
            super().__init__()
            self.axes = axes

        def forward(self, x):
            return x.permute(self.axes)

    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.depth = nn.Conv2d(3, 8, 2, 2), self.Norm(8), nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.there, self.back = self.Permute(0, 2, 3, 1), self.Permute(0, 3, 1, 2)
        self.tokens, self.wide, self.act, self.narrow = nn.LayerNorm(8), nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 8)
        self.scale, self.head = nn.Parameter(torch.ones(8)), nn.Conv2d(8, 1, 1)

    def forward(self, images):
        x = self.norm(self.stem(images))
        y = self.narrow(self.act(self.wide(self.tokens(self.there(self.depth(x))))))
        return self.head(x + self.back(self.scale * y))


class WithPrior(nn.Module):
    """Maps that a module learnt for all images, and a weight of one map that another module makes."""

    class Prior(nn.Module):
        def __init__(self, count):
            super().__init__()
            self.maps = nn.Parameter(torch.rand(1, count, 8, 8))

        def forward(self, images):
            return F.interpolate(self.maps, size=images.shape[-2:]).expand(len(images), -1, -1, -1)

    def __init__(self):
        super().__init__()
        self.body, self.prior, self.blur = nn.Conv2d(3, 4, 3, padding=1), self.Prior(2), nn.Conv2d(2, 2, 3, padding=1)
        self.head = nn.utils.parametrizations.weight_norm(nn.Conv2d(6, 1, 3, padding=1))

    def forward(self, images):
        return self.head(torch.cat([self.body(images), self.blur(self.prior(images))], dim=1))
