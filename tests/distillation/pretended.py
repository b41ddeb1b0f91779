"""A simulated second device: its tensors report another device, and cannot be mixed with tensors of the CPU."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

DEVICE = torch.device("lazy:0")  # a device type that PyTorch knows and that needs no driver


class Elsewhere(torch.Tensor):
    """A tensor of the simulated device; `held` stores its numbers, on the CPU."""

    @staticmethod
    def __new__(cls, real):
        return torch.Tensor._make_wrapper_subclass(
            cls, real.shape, strides=real.stride(), storage_offset=real.storage_offset(), dtype=real.dtype,
            device=DEVICE, requires_grad=False,
        )  # fmt: skip

    def __init__(self, real):
        self.held = real

    def tolist(self):
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        raise AssertionError(f"{func} outside of pretended_device")


@contextmanager
def pretended_device():
    """Raise within the block if an operation mixes tensors of both devices, as for a CPU and a GPU.

    As in PyTorch, numbers (0-dimensional tensors of the CPU) can be mixed with any tensor. CPU indices can select from
    a tensor on the device, but not vice versa. Copies are possible in both directions.
    """
    with _Constants(), _Operations():
        yield


class _Constants(TorchFunctionMode):
    """Let `torch.tensor`, and lists as indices, put their numbers on a device without the other mode."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        device = kwargs.pop("device", None) if func is torch.tensor else None
        if func is torch.Tensor.__getitem__:
            args = tree_map_only(list, torch.LongTensor, args, is_leaf=lambda value: isinstance(value, list))
        made = func(*args, **kwargs)
        return made if device is None else made.to(device)


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        tensors = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
        there = any(isinstance(value, Elsewhere) for value in tensors)
        if "device" in kwargs and kwargs["device"] is not None:
            there = torch.device(kwargs["device"]).type == DEVICE.type
            kwargs["device"] = torch.device("cpu")
        elif there and func not in (torch.ops.aten.copy_.default, torch.ops.aten._local_scalar_dense.default):
            picks = func.name().startswith("aten::index") and isinstance(args[0], Elsewhere)
            checked = [args[0], *args[2:]] if picks else (args, kwargs)
            for value in tree_flatten(checked)[0]:
                if isinstance(value, torch.Tensor) and not isinstance(value, Elsewhere) and value.dim():
                    raise RuntimeError(f"{func}: tensors on cpu and {DEVICE}")
        real_args, real_kwargs = tree_map_only(Elsewhere, lambda value: value.held, (args, kwargs))
        result = func(*real_args, **real_kwargs)
        if func._schema.is_mutable and isinstance(args[0], torch.Tensor):
            return args[0]
        return tree_map_only(torch.Tensor, Elsewhere, result) if there else result
