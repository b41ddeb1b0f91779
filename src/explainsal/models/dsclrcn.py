"""DSCLRCN (Liu and Han, 2018): ResNet-50 for local features, AlexNet for the scene, and spatial LSTMs over both."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.trunks import DilatedResNet50, Normalized

_SCENE = (227, 227)
_UNITS = 128
_SCALE = 400.0  # initial scale of the features of unit length


class SceneNet(nn.Module):
    """Scene features: AlexNet's convolutions (trained on Places) and a layer of 128 values."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75)
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, 96, 11, stride=4), nn.ReLU(), nn.MaxPool2d(3, 2), norm,
            nn.Conv2d(96, 256, 5, padding=2, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2), norm,
            nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(),
            nn.Conv2d(384, 384, 3, padding=1, groups=2), nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1, groups=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        )  # fmt: skip
        self.scene = nn.Linear(256 * 6 * 6, _UNITS)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` to scene features ``(B, 128)``."""
        return self.scene(self.convolutions(resize_bilinear(images, _SCENE)).flatten(1))


class BothWays(nn.Module):
    """Shared LSTM of 128 units that reads every line of a map forwards and backwards.

    The scene features are added to the gates of the first step.

    Args:
        channels: Channels of the input maps.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_input = nn.Linear(channels, 4 * _UNITS)
        self.of_state = nn.Linear(_UNITS, 4 * _UNITS, bias=False)
        self.of_scene = nn.Linear(_UNITS, 4 * _UNITS, bias=False)

    def forward(self, lines: Tensor, scene: Tensor) -> Tensor:
        """Map lines ``(B, lines, steps, C)`` and scenes ``(B, 128)`` to states ``(B, lines, steps, 256)``."""
        gates = self.of_input(lines)
        ways = [self._read(gates, scene), self._read(gates.flip(2), scene).flip(2)]
        return torch.cat(ways, dim=-1)

    def _read(self, gates: Tensor, scene: Tensor) -> Tensor:
        state = memory = gates.new_zeros(*gates.shape[:2], _UNITS)
        states = []
        for step in range(gates.shape[2]):
            now = gates[:, :, step] + self.of_state(state)
            now = now + self.of_scene(scene)[:, None] if step == 0 else now
            inward, forget, outward, candidate = now.chunk(4, dim=-1)
            memory = torch.sigmoid(forget) * memory + torch.sigmoid(inward) * torch.tanh(candidate)
            state = torch.sigmoid(outward) * torch.tanh(memory)
            states.append(state)
        return torch.stack(states, dim=2)


class DSCLRCN(Normalized):
    """Network of "A Deep Spatial Contextual Long-Term Recurrent Convolutional Network for Saliency Detection".

    Stages 4 and 5 of the trunk are reduced to 512 maps each, scaled to unit length at every pixel, and fused. LSTMs
    then read the rows and the columns, twice. The network has 30,302,597 parameters, as in the published description.
    The available sources determine all but four of them; these four are assumed to be learned scales of the two local
    features, of their fusion and of the scene.

    Example:
        >>> sum(p.numel() for p in DSCLRCN().parameters())
        30302597
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk, self.scene = DilatedResNet50(stem_bias=True), SceneNet()
        self.fourth, self.fifth = nn.Conv2d(1024, 512, 1), nn.Conv2d(2048, 512, 1)
        self.fuse = nn.Conv2d(1024, 512, 1)
        self.scales = nn.Parameter(torch.full((4,), _SCALE))
        self.rows = nn.ModuleList([BothWays(512), BothWays(2 * _UNITS)])
        self.columns = nn.ModuleList([BothWays(2 * _UNITS), BothWays(2 * _UNITS)])
        self.last = nn.Conv2d(2 * _UNITS, 1, 1)

    def reset_parameters(self) -> None:
        """Reset the scales to their initial value; submodules initialize their own weights."""
        nn.init.constant_(self.scales, _SCALE)

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency: ``(B, 3, H, W)``, RGB in [0, 1], to densities ``(B, 1, H / 8, W / 8)`` that sum to 1."""
        images = self.normalized(images)
        fourth, fifth = self.trunk(images)
        local = [F.normalize(self.fourth(fourth)) * self.scales[0], F.normalize(self.fifth(fifth)) * self.scales[1]]
        x = F.normalize(self.fuse(torch.cat(local, dim=1))) * self.scales[2]
        scene = F.normalize(self.scene(images)) * self.scales[3]
        x = x.permute(0, 2, 3, 1)
        for rows, columns in zip(self.rows, self.columns, strict=True):
            x = columns(rows(x, scene).transpose(1, 2), scene).transpose(1, 2)
        logits = self.last(x.permute(0, 3, 1, 2))
        return torch.softmax(logits.flatten(1), dim=1).reshape(logits.shape)


def build(*, input_size: tuple[int, int] = (480, 640), weights: str | Path | None = None) -> SaliencyModel:
    """Build DSCLRCN with its preprocessing: images are resized to `input_size` (H, W)."""
    model = SaliencyModel(DSCLRCN(), name="dsclrcn", options={"input_size": list(input_size)}, input_size=input_size)
    return model.load_weights(weights) if weights is not None else model
