"""Detection of four-axis tensors that are tokens on a grid, (B, H, W, A), rather than maps (B, A, H, W)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves


class TokenLayouts:
    """Tensors of one forward pass with their features along the last axis, as in transformers.

    Such tensors come from modules that work along that axis, from permutations, and from shape-preserving operations on
    other such tensors.
    Tensors are identified by storage, shape and strides, because maps and their permuted view share a storage.
    """

    def __init__(self) -> None:
        self._known: set[tuple[Any, ...]] = set()

    def follow(self, func: Any, args: Any, result: Any) -> None:
        """Record the tensors that an operation of PyTorch computed."""
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and tensor.ndim == 4 and self._is_made_of_tokens(func, args, tensor):
                self._known.add(_layout(tensor))

    def made_by(self, module: nn.Module, output: Tensor) -> bool:
        """Return whether a module's four-axis output is such a tensor, and record it if so."""
        if _works_along_last_axis(module, output):
            self._known.add(_layout(output))
        return _layout(output) in self._known

    def _is_made_of_tokens(self, func: Any, args: Any, made: Tensor) -> bool:
        if func._schema.name in ("aten::permute", "aten::transpose"):
            features = 3 if _layout(args[0]) in self._known else 1
            return args[0].ndim == 4 and _order(func, args)[3] == features
        return any(_layout(one) in self._known for one in args if isinstance(one, Tensor) and one.shape == made.shape)


def _layout(tensor: Tensor) -> tuple[Any, ...]:
    return StorageWeakRef(tensor.untyped_storage()), tuple(tensor.shape), tensor.stride()


def _order(func: Any, args: Any) -> list[int]:
    """Return the axes of the source in the order of a permutation or transposition."""
    order = list(range(args[0].ndim))
    if func._schema.name == "aten::permute":
        return [order[axis] for axis in args[1]]
    _, one, other = args
    order[one], order[other] = order[other], order[one]
    return order


def _works_along_last_axis(module: nn.Module, output: Tensor) -> bool:
    if not isinstance(module, nn.LayerNorm):
        return isinstance(module, nn.Linear)
    if len(module.normalized_shape) != 1 or output.shape[-1] != module.normalized_shape[0]:
        return False
    # a subclass may normalize the channels of maps, which are along the second axis
    return type(module).forward is nn.LayerNorm.forward or output.shape[1] != module.normalized_shape[0]
