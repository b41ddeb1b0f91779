"""Null models: meaningless explanations for comparison.

The method uses the deep activations at every layer, so it can imitate them even with meaningless filters. The fidelity
of an explanation must therefore be compared with that of null models at the same options (docs/decisions/0013).
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from explainsal.errors import ModelError
from explainsal.explanation.explainer import Explainer

NULLS = ("shuffled_filters", "untrained_network", "random_layer")


def null_explainer(explainer: Explainer, null: str, *, seed: int = 0) -> Explainer:
    """Return an explainer that differs from another in one property, which removes its meaning.

    Args:
        explainer: The explainer for comparison.
        null: ``"shuffled_filters"``: one permutation of the frequencies for all filters, including low-pass ones.
            ``"untrained_network"``: the same network with random weights, compared with its own map.
            ``"random_layer"``: every layer is rebuilt from one random earlier layer instead of its parents.
        seed: Seed of the permutation, the weights or the choice of layers.

    Returns:
        A new explainer with otherwise equal options; the given one and its network are not changed.

    Raises:
        ValueError: If the null model is unknown.
        ModelError: If the network's weights cannot be redrawn.
    """
    if null == "shuffled_filters":
        return explainer.changed(bank=explainer.options.bank.shuffled(seed))
    if null == "untrained_network":
        return explainer.changed(untrained_copy(explainer.net, seed=seed))
    if null == "random_layer":
        one_source: dict[str, Any] = {"generations": 1, "image_candidates": False, "fill_pool": False}
        return explainer.changed(chain="random", chain_seed=seed, **one_source)
    raise ValueError(f"unknown null model {null!r}; there are {', '.join(NULLS)}")


def untrained_copy(net: nn.Module, *, seed: int = 0, keep: Callable[[str], bool] = lambda name: False) -> nn.Module:
    """Return a copy of a network with random weights from its modules' ``reset_parameters``.

    Args:
        net: Any network; it is not changed, nor is the state of the random generators.
        seed: Seed of the weights.
        keep: Which modules, by name, keep their weights.

    Raises:
        ModelError: If a parameter belongs to a module that cannot redraw it.
    """
    require_drawable(net, keep=keep)
    # a copy made in inference mode, such as during Lightning's test, would have no derivatives for the output weights
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
        fresh = copy.deepcopy(net)
        torch.manual_seed(seed)
        for name, module in fresh.named_modules():
            if not keep(name) and _own_parameters(module):
                module.reset_parameters()  # type: ignore[operator]
    return fresh


def require_drawable(net: nn.Module, *, keep: Callable[[str], bool] = lambda name: False) -> None:
    """Raise if :func:`untrained_copy` cannot copy a network.

    Args:
        net: Any network.
        keep: Which modules, by name, keep their weights.

    Raises:
        ModelError: If a parameter belongs to a module without ``reset_parameters``.
    """
    for name, module in net.named_modules():
        own = _own_parameters(module)
        if own and not keep(name) and not callable(getattr(module, "reset_parameters", None)):
            raise ModelError(
                f"an untrained copy of {type(net).__name__} cannot be made: {name or 'the network itself'} "
                f"({type(module).__name__}) has its own parameters ({', '.join(own)}) but no method "
                "reset_parameters to redraw them. Add one to the class, or omit this null model"
            )


def _own_parameters(module: nn.Module) -> list[str]:
    return [name for name, _ in module.named_parameters(recurse=False)]
