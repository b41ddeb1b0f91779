"""Tiny networks that show one awkward trait each."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn


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
