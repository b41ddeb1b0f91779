"""Size of a network: parameters, and multiply-accumulates for one image."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from explainsal.functional.outputs import taking_rgb


@dataclass(frozen=True)
class Complexity:
    """Parameters, and multiply-accumulate operations of convolutions and matrix products for one image."""

    parameters: int
    macs: int


def complexity(
    net: nn.Module, input_size: tuple[int, int], *, channels: int = 3, name: str = "the network"
) -> Complexity:
    """Count parameters and operations for one image of `input_size` (H, W); run the network once on its own device.

    Args:
        input_size: Height and width of its input.

    Raises:
        ModelError: If the network takes another number of channels.

    Example:
        >>> complexity(nn.Conv2d(3, 8, 3, padding=1), (10, 10))
        Complexity(parameters=224, macs=21600)
    """
    parameters = sum(p.numel() for p in net.parameters())
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    training = net.training
    net.eval()
    try:
        with FlopCounterMode(display=False) as counter, torch.no_grad(), taking_rgb(name):
            net(torch.zeros(1, channels, *input_size, device=device))
    finally:
        net.train(training)
    return Complexity(parameters, counter.get_total_flops() // 2)
