"""Following a forward pass layer by layer, leaving the network as it was."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn

from explainsal.errors import ModelError
from explainsal.tracing.layers import OUTPUT, call_name, is_leaf


@contextmanager
def watch_layers(core: nn.Module, names: Collection[str], handle: Callable[[str, Any], None]) -> Iterator[None]:
    """Call ``handle(name, output)`` the moment a named layer has run, before anything can overwrite its output.

    A handler that wants to keep maps clones them: an in-place ReLU further on would rewrite them.

    Args:
        core: The network.
        names: Layer names as :class:`~explainsal.tracing.layers.NetworkLayer` has them.
        handle: What to do with an output.
    """
    wanted, times = set(names), Counter[str]()
    paths = {name.split(":")[0] for name in wanted}
    handles = []

    def watcher(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def watch(module: nn.Module, args: Any, output: Any) -> None:
            times[path] += 1
            name = call_name(path, times[path])
            if name in wanted:
                handle(name, output)

        return watch

    def watch_output(module: nn.Module, args: Any, output: Any) -> None:
        handle(OUTPUT, output)

    try:
        for path, module in core.named_modules():
            own = path or type(core).__name__
            if own in paths and (path or is_leaf(core)):
                handles.append(module.register_forward_hook(watcher(own)))
        if OUTPUT in wanted:
            handles.append(core.register_forward_hook(watch_output))
        yield
    finally:
        for hook in handles:
            hook.remove()


@contextmanager
def same_calls(core: nn.Module, expected: Sequence[str]) -> Iterator[None]:
    """Refuse a forward pass whose module calls are not the expected ones, at the first call that differs.

    Args:
        core: The network.
        expected: Names of all calls in the order in which they end, composite modules included, as `trace_layers`
            lists them.

    Raises:
        ModelError: If another module runs, or one is missing.
    """
    times, ended = Counter[str](), 0

    def watcher(path: str) -> Callable[[nn.Module, Any, Any], None]:
        def watch(module: nn.Module, args: Any, output: Any) -> None:
            nonlocal ended
            times[path] += 1
            name = call_name(path, times[path])
            if ended >= len(expected) or expected[ended] != name:
                raise _other_layers(name, expected[ended] if ended < len(expected) else "the end")
            ended += 1

        return watch

    handles = [
        module.register_forward_hook(watcher(path or type(core).__name__))
        for path, module in core.named_modules()
        if path or is_leaf(core)
    ]
    try:
        yield
        if ended < len(expected):
            raise _other_layers("the end", expected[ended])
    finally:
        for hook in handles:
            hook.remove()


def _other_layers(found: str, expected: str) -> ModelError:
    return ModelError(
        f"the network does not run the same layers for every image of a size: {found} came where {expected} had run "
        "when its layers were listed, so that no one list of layers explains it. Explain such images one by one, each "
        "with an Explainer of its own"
    )


@contextmanager
def as_in_evaluation(module: nn.Module) -> Iterator[None]:
    """Evaluation mode, no gradients, no autocast, no compiled code; afterwards every module's mode is as it was.

    Compiled code runs eagerly here, since it does not show its layers.
    """
    modes = [(part, part.training) for part in module.modules()]
    device = next((p.device.type for p in module.parameters()), "cpu")
    has_autocast = torch.amp.is_autocast_available(device)
    full_precision = torch.autocast(device, enabled=False) if has_autocast else nullcontext()
    # whatever of the network is compiled, be it a function that it calls; without Dynamo nothing is
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        module.eval()
        with torch.no_grad(), full_precision, eager:
            yield
    finally:
        for part, training in modes:
            part.training = training


def unwrapped(module: nn.Module) -> nn.Module:
    """The module that `torch.compile` or a parallel module wrapped, through several of them, or the module itself."""
    parallel = isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = getattr(module, "module" if parallel else "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else module
