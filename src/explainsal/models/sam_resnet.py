"""SAM-ResNet (Cornia et al., 2018): a dilated ResNet-50, attention refined by a ConvLSTM, learned Gaussian priors."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.trunks import DilatedResNet50, Normalized

_STEPS, _PRIORS = 4, 16


class AttentiveConvLSTM(nn.Module):
    """ConvLSTM that processes the same maps in every step, each time weighted by attention over positions.

    The gates are 3x3 convolutions of the input and of the state. The attention is additive:
    ``softmax(v * tanh(w * state + u * input))``.

    Args:
        channels: Channels of input, state and attention.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.of_input = nn.Conv2d(channels, 4 * channels, 3, padding=1)  # input, forget, output gate and candidate
        self.of_state = nn.Conv2d(channels, 4 * channels, 3, padding=1)
        self.attention_of_input = nn.Conv2d(channels, channels, 3, padding=1)
        self.attention_of_state = nn.Conv2d(channels, channels, 3, padding=1)
        self.attention = nn.Conv2d(channels, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return the state ``(B, C, H, W)`` after four steps on maps ``(B, C, H, W)``."""
        state, memory = x, x
        for _ in range(_STEPS):
            energy = self.attention(torch.tanh(self.attention_of_state(state) + self.attention_of_input(x)))
            attended = x * torch.softmax(energy.flatten(1), dim=1).reshape(energy.shape)
            inward, forget, outward, candidate = (self.of_input(attended) + self.of_state(state)).chunk(4, dim=1)
            memory = torch.sigmoid(forget) * memory + torch.sigmoid(inward) * torch.tanh(candidate)
            state = torch.sigmoid(outward) * torch.tanh(memory)
        return state


class Priors(nn.Module):
    """Gaussian maps with learned centers and widths, appended to the input maps."""

    def __init__(self) -> None:
        super().__init__()
        self.center = nn.Parameter(torch.empty(2, _PRIORS))  # share of height, of width
        self.spread = nn.Parameter(torch.empty(2, _PRIORS))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw centers around the middle of the map, and widths."""
        with torch.no_grad():
            self.center.copy_(torch.rand(2, _PRIORS) * 0.4 + 0.3)
            self.spread.copy_(torch.rand(2, _PRIORS) * 0.2 + 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """Append the 16 priors to maps ``(B, C, H, W)``: ``(B, C + 16, H, W)``."""
        distances = []
        for axis, side in enumerate(x.shape[-2:]):
            grid = (torch.arange(side, device=x.device, dtype=x.dtype) + 0.5) / side
            distances.append(((grid - self.center[axis, :, None]) / self.spread[axis, :, None]).square())
        down, across = distances
        maps = torch.exp(-(down[:, :, None] + across[:, None, :]) / 2)
        return torch.cat([x, maps.expand(x.shape[0], -1, -1, -1)], dim=1)


class SAMResNet(Normalized):
    """Network of "Predicting Human Eye Fixations via an LSTM-based Saliency Attentive Model", with ResNet-50.

    The network has 70,093,441 parameters and 53,120 BatchNorm statistics. The initial state is the input itself, a
    choice that the available sources leave open; it has no parameters.

    Example:
        >>> sum(p.numel() for p in SAMResNet().parameters())
        70093441
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = DilatedResNet50(bias=True)
        self.reduce = nn.Sequential(nn.Conv2d(2048, 512, 3, padding=1), nn.ReLU())
        self.recurrent = AttentiveConvLSTM(512)
        self.priors = nn.Sequential(*(part for _ in range(2) for part in (Priors(), _after_priors(), nn.ReLU())))
        self.last = nn.Sequential(nn.Conv2d(512, 1, 1), nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        """Predict saliency: ``(B, 3, H, W)``, RGB in [0, 1], to non-negative ``(B, 1, 2 H, 2 W)``, as the original."""
        x = self.reduce(self.trunk(self.normalized(images))[1])
        maps = self.last(self.priors(self.recurrent(x)))
        return resize_bilinear(maps, (2 * images.shape[-2], 2 * images.shape[-1]))


def _after_priors() -> nn.Conv2d:
    return nn.Conv2d(512 + _PRIORS, 512, 5, padding=8, dilation=4)


def build(*, input_size: tuple[int, int] = (240, 320), weights: str | Path | None = None) -> SaliencyModel:
    """Build SAM-ResNet with its preprocessing: images are resized to `input_size` (H, W)."""
    model = SaliencyModel(
        SAMResNet(), name="sam_resnet", options={"input_size": list(input_size)}, input_size=input_size
    )
    return model.load_weights(weights) if weights is not None else model
