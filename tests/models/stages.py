"""Activations inside a network, for a comparison with published code stage by stage."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn


def watched(net: nn.Module, images: torch.Tensor, stages: Mapping[str, str]) -> tuple[torch.Tensor, dict]:
    """Run a network on one image.

    Args:
        net: The network.
        images: Its input, a batch of one.
        stages: Name -> dotted path of a module.

    Returns:
        The network's output, and the output of each module by name, both without the batch axis. Outputs are copied, so
        later in-place operations do not change them.
    """
    seen: dict[str, torch.Tensor] = {}
    handles = [
        net.get_submodule(path).register_forward_hook(lambda m, a, out, name=name: seen.update({name: out[0].clone()}))
        for name, path in stages.items()
    ]
    try:
        with torch.no_grad():
            return net(images)[0], seen
    finally:
        for handle in handles:
            handle.remove()
