"""Graph of a network's layers from one traced forward pass, including functional operations, for any module.

A dispatch mode sees every operation below autograd. For each tensor storage it records the module calls from whose
outputs the storage was computed. Because it tracks storages, views and in-place operations need no special treatment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explainsal.functional.outputs import one_map
from explainsal.tracing.layers import INPUT, OUTPUT, NetworkLayer, call_name, classify_module, is_leaf
from explainsal.tracing.token_layouts import TokenLayouts

_PASS_THROUGH = (nn.Identity, nn.modules.dropout._DropoutNd)
_SOFTMAX_MODULES = (nn.Softmax, nn.LogSoftmax, nn.Softmin)
_SOFTMAX = ("_softmax", "_log_softmax")
_REDUCTIONS = (
    *("sum", "mean", "std", "var", "std_mean", "var_mean", "norm", "linalg_vector_norm", "logsumexp"),
    *("amax", "amin", "aminmax", "max", "min", "sort", "topk"),
)
_IMAGE = -1  # number that stands for the input image among the calls


def trace_layers(net: nn.Module, images: Tensor, core: nn.Module | None = None) -> tuple[list[NetworkLayer], str, bool]:
    """Run a network once and list every module call, in the order in which the calls ended.

    Args:
        net: Network in evaluation mode that maps images to one map per image.
        images: Shape ``(B, C, H, W)``.
        core: Part of `net` whose layers are listed, e.g. the network without its preprocessing. Default: all of `net`.

    Returns:
        All calls, including composite modules, with their direct parents; the name of the network's last map; and
        whether `core` normalizes this map afterwards. The name is ``"output"``, appended to the list, if functional
        operations computed the map. If these were a softmax or a scaling by the map's own extremes, it is the last
        one-channel layer before them, and the last value is True.

    Raises:
        ModelError: If `net` does not return one map per image.
        ValueError: If `net` does not run `core`, `core` does not return a single tensor, or the map does not depend on
            the image.
    """
    core = net if core is None else core
    tracer = _Tracer(batch_size=len(images))
    # inference mode hides the parts of composite operations such as log_softmax and would change the list
    with torch.inference_mode(False), torch.no_grad(), tracer.watching(core):
        output = net(images.clone())
    one_map(output, len(images))
    return tracer.result()


class _Tracer(TorchDispatchMode):
    """Recorder of module calls, and of the calls from which each tensor storage was computed."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.calls: list[NetworkLayer] = []
        self.parents: list[frozenset[int]] = []
        self.output: Tensor | None = None
        self._sources: dict[StorageWeakRef, frozenset[int]] = {}
        self._made_by: dict[StorageWeakRef, int] = {}  # the single operation whose output, unchanged since, this is
        self._normalized: set[StorageWeakRef] = set()  # scaled by statistics of a whole map since the last layer
        self._tokens = TokenLayouts()
        self._times: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        inputs = _storages((args, kwargs))
        sources = self._union(inputs)
        normalized = any(s in self._normalized for s in inputs) or bool(sources and _is_global(func, args, result))
        self._tokens.follow(func, args, result)
        for storage in _storages(result):
            if storage in inputs and not func._schema.is_mutable:
                continue  # a view: the values are unchanged
            self._sources[storage] = sources
            self._made_by.pop(storage, None)
            if normalized:
                self._normalized.add(storage)
        return result

    @contextmanager
    def watching(self, core: nn.Module) -> Iterator[None]:
        """Record every call inside `core`; always remove the hooks afterwards."""
        handles = [core.register_forward_pre_hook(self._enter)]
        try:
            for path, module in core.named_modules():
                if path or is_leaf(core):
                    handles.append(module.register_forward_hook(self._recorder(path or type(core).__name__)))
            handles.append(core.register_forward_hook(self._leave))
            with self:
                yield
        finally:
            for handle in handles:
                handle.remove()

    def result(self) -> tuple[list[NetworkLayer], str, bool]:
        """Return what :func:`trace_layers` does; calls without effect on the last map are skipped."""
        if self.output is None:
            raise ValueError("the bare network must return one tensor; this one did not")
        final, normalized = self._final()
        needed, reached = self._ancestors(final), self._reached()
        if final not in reached:
            raise ValueError(
                "no operation of PyTorch leads from the image to the network's last map, so there is nothing to "
                "explain: the map is the same for all images, or it was computed outside of PyTorch, e.g. in NumPy"
            )
        names = {_IMAGE: INPUT, **{i: call.name for i, call in enumerate(self.calls)}}
        layers = []
        for i, call in enumerate(self.calls):
            reason = call.skipped or (None if i in reached else "the same for every image")
            reason = reason or (None if i in needed else "the network's last map does not depend on it")
            parents = tuple(names[j] for j in sorted(self.parents[i]))
            layers.append(replace(call, parents=parents, skipped=reason))
        return layers, self.calls[final].name, normalized

    def _enter(self, module: nn.Module, args: Any) -> None:
        for storage in _storages(args):
            self._sources[storage] = frozenset({_IMAGE})

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            self.output = output

    def _recorder(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def record(module: nn.Module, args: Any, output: Any) -> None:
            self._times[path] += 1
            name = call_name(path, self._times[path])
            shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
            reason = _why_skipped(module, output, self.batch_size)
            if reason is None and self._tokens.made_by(module, output):
                reason = "tokens with features along the last axis, (B, H, W, A): no maps (B, A, H, W)"
            self.parents.append(self._union(_storages(output)))
            self.calls.append(NetworkLayer(name, type(module).__name__, classify_module(module), shape, (), reason))
            if reason is None:
                self._claim(output, len(self.calls) - 1, single=is_leaf(module))

        return record

    def _claim(self, output: Tensor, call: int, *, single: bool) -> None:
        """Record this call as the source of `output`."""
        storage = StorageWeakRef(output.untyped_storage())
        whole = output.numel() * output.element_size() == output.untyped_storage().nbytes()
        others = frozenset() if whole else self._sources.get(storage, frozenset())
        self._sources[storage] = others | {call}
        if single and whole:
            self._made_by[storage] = call
            self._normalized.discard(storage)

    def _final(self) -> tuple[int, bool]:
        """Return the call that computed the network's last map, and whether the map is normalized afterwards.

        The network's output becomes a call of its own if necessary.
        """
        assert self.output is not None
        storage = StorageWeakRef(self.output.untyped_storage())
        maker, reached = self._made_by.get(storage), self._reached()
        if maker is not None and _is_one_map(self.calls[maker]):
            return maker, False
        single = [
            i
            for i in self._collect_ancestors(self._sources.get(storage, frozenset()))
            if i in reached and i != _IMAGE and _is_one_map(self.calls[i])
        ]
        if storage in self._normalized and single:
            return max(single), True
        shape = tuple(self.output.shape[1:])
        self.calls.append(NetworkLayer(OUTPUT, "Tensor", "output", shape, ()))
        self.parents.append(self._sources.get(storage, frozenset()))
        return len(self.calls) - 1, False

    def _reached(self) -> set[int]:
        """Return the calls that depend on the image; the others compute priors, positions or weights."""
        reached = {_IMAGE}
        for i, parents in enumerate(self.parents):
            if parents & reached:
                reached.add(i)
        return reached

    def _ancestors(self, call: int) -> set[int]:
        return self._collect_ancestors(frozenset({call}))

    def _collect_ancestors(self, calls: frozenset[int]) -> set[int]:
        found: set[int] = set()
        waiting = list(calls)
        while waiting:
            call = waiting.pop()
            if call not in found:
                found.add(call)
                waiting += [] if call == _IMAGE else list(self.parents[call])
        return found

    def _union(self, storages: Iterable[StorageWeakRef]) -> frozenset[int]:
        return frozenset().union(*(self._sources.get(storage, frozenset()) for storage in storages))


def _is_one_map(call: NetworkLayer) -> bool:
    return call.kind != "block" and call.skipped is None and call.shape[0] == 1


def _storages(tree: Any) -> list[StorageWeakRef]:
    return [StorageWeakRef(leaf.untyped_storage()) for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _is_global(func: Any, args: Any, result: Any) -> bool:
    """Return whether an operation reduces all pixels of a map to a statistic, or normalizes over them."""
    name = func._schema.name.split("::")[-1]
    first = args[0] if args and isinstance(args[0], Tensor) else None
    if first is None:
        return False
    if name in _SOFTMAX:
        return not (first.ndim == 4 and args[1] in (1, -3))
    if name not in _REDUCTIONS:
        return False
    reduced = next(leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor))
    return reduced.ndim < 3 or reduced.shape[-2:] != first.shape[-2:]


def _why_skipped(module: nn.Module, output: Any, batch_size: int) -> str | None:
    """Return the reason why the output of a call is not a stack of activation maps of the network, or None."""
    if not isinstance(output, Tensor):
        return f"returns {type(output).__name__}, not a single tensor of maps"
    if isinstance(module, _PASS_THROUGH):
        return "passes its input through unchanged"
    if isinstance(module, _SOFTMAX_MODULES) and not (output.ndim == 4 and module.dim in (None, 1, -3)):
        return "normalizes over a whole map"  # over the channels of each pixel, softmax counts as an ordinary layer
    if output.ndim != 4 or output.shape[0] != batch_size or not output.is_floating_point():
        return f"no maps (B, A, H, W): the output has shape {tuple(output.shape)}"
    if output.shape[2] * output.shape[3] == 1:
        return "1 x 1 maps: one number per channel, no spatial structure"
    return None
