"""Observation of a forward pass layer by layer, without lasting changes to the network."""

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
    """Call ``handle(name, output)`` right after each named layer has run.

    The handler must clone maps that it keeps, because a later in-place operation may overwrite them.

    Args:
        names: Layer names, see :class:`~explainsal.tracing.layers.NetworkLayer`.
        handle: Function of a layer's name and output.
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
            own = path or type(core).__name__  # a core without submodules has no path
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
    """Raise at the first module call of a forward pass that differs from the expected calls.

    Args:
        expected: Names of all calls in the order in which they end, including composite modules, as `trace_layers`
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
        f"the network does not run the same layers for all images of one size: {found} came where {expected} had run "
        "when its layers were listed, so no single list of layers is valid. Explain such images one by one, each "
        "with an Explainer of its own"
    )


@contextmanager
def as_in_evaluation(module: nn.Module) -> Iterator[None]:
    """Run a module in evaluation mode without gradients, autocast or compiled code; restore all modes afterwards.

    Compiled code runs eagerly, because it hides its layers.
    """
    modes = [(part, part.training) for part in module.modules()]
    device = next((p.device.type for p in module.parameters()), "cpu")
    has_autocast = torch.amp.is_autocast_available(device)
    full_precision = torch.autocast(device, enabled=False) if has_autocast else nullcontext()
    # applies to all compiled code, including functions that the network calls; not needed without Dynamo
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    try:
        module.eval()
        with torch.no_grad(), full_precision, eager:
            yield
    finally:
        for part, training in modes:
            part.training = training


def unwrapped(module: nn.Module) -> nn.Module:
    """Remove the wrappers of `torch.compile` and of parallel modules, also nested ones, from a module."""
    parallel = isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel)
    inner = getattr(module, "module" if parallel else "_orig_mod", None)
    return unwrapped(inner) if isinstance(inner, nn.Module) else module
