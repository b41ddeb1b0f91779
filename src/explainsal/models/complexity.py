"""Size of a network: parameters, and multiply-accumulates for one image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import flop_registry

from explainsal.functional.operations import OperationWatcher
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
        with _Counter() as counter, torch.no_grad(), taking_rgb(name):
            net(torch.zeros(1, channels, *input_size, device=device))
    finally:
        net.train(training)
    return Complexity(parameters, counter.flops // 2)


class _Counter(OperationWatcher):
    """Adds up the floating-point operations by the formulas of torch's `FlopCounterMode`."""

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **kwargs, out_val=made)
        return made
