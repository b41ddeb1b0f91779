"""Kernels of :mod:`~explainsal.functional.triton_kernels`, where they are wanted, on CUDA devices.

The plain PyTorch path computes the same numbers up to rounding, and serves everything else: other devices and dtypes,
tensors whose last axis is not contiguous.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

import torch
from torch import Tensor

from explainsal.errors import UserError

_wanted: ContextVar[bool] = ContextVar("fused_kernels", default=False)
MOST_CANDIDATES = 2048  # of which a program holds four arrays in registers
_BLOCK = 4096  # numbers of a row that a program holds at a time
_TILE = {"ROWS": 16, "COLUMNS": 64, "STEP": 8}


@contextmanager
def fused_kernels(wanted: bool = True) -> Iterator[None]:
    """Use them inside the block; by default they are left out.

    Raises:
        UserError: If they are wanted and Triton is not there.
    """
    if wanted and find_spec("triton") is None:
        raise UserError(
            "compile=true takes Triton on a GPU, and it is not installed: pip install triton (CUDA builds of PyTorch "
            "bring it along), or leave compile out"
        )
    token = _wanted.set(wanted)
    try:
        yield
    finally:
        _wanted.reset(token)


def serves(*tensors: Tensor) -> bool:
    """Whether the kernels are wanted here and can take these tensors."""
    kinds = {tensor.dtype for tensor in tensors}
    return (
        all(tensor.device.type == "cuda" and tensor.stride(-1) == 1 for tensor in tensors)
        and len(kinds) == 1
        and kinds <= {torch.float32, torch.float64}
        and _wanted.get()
    )


def centered_scale(values: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """As :func:`explainsal.functional.reconstruction.centered_scale`."""
    from explainsal.functional import triton_kernels

    rows = _rows(values)
    into = torch.empty_like(rows, memory_format=torch.contiguous_format) if out is None else _rows(out)
    mean, std = values.new_empty(2, *values.shape[:-1], 1)
    rounding = 8 * torch.finfo(values.dtype).eps
    triton_kernels.centered_scale[(len(rows) * rows.shape[1],)](
        rows, into, mean, std, rows.shape[1], rows.shape[2], rows.stride(0), rows.stride(1), into.stride(0),
        into.stride(1), rounding, BLOCK=_BLOCK,
    )  # fmt: skip
    return into.reshape(values.shape) if out is None else out, mean, std


def pairwise_mae(first: Tensor, second: Tensor, negative: Tensor | None = None, flipped: int = 0) -> Tensor:
    """As :func:`explainsal.functional.reconstruction.pairwise_mae`."""
    from explainsal.functional import triton_kernels

    one, other = (some.reshape(-1, *some.shape[-2:]).contiguous() for some in (first, second))
    marks = one if negative is None else negative.contiguous().view(torch.uint8)
    out = one.new_empty(len(one), one.shape[1], other.shape[1])
    grid = (-(-other.shape[1] // _TILE["COLUMNS"]), -(-one.shape[1] // _TILE["ROWS"]), len(one))
    triton_kernels.pairwise_mae[grid](
        one,
        other,
        marks,
        out,
        one.shape[1],
        other.shape[1],
        one.shape[2],
        flipped,
        SIGNED=negative is not None,
        **_TILE,
    )
    return out.reshape(*first.shape[:-1], second.shape[-2])


def matching_pursuit(gram: Tensor, target: Tensor, terms: int, dependent: float, faint: float) -> Tensor:
    """Positions ``(R, T)`` of the candidates that the signed pursuit takes: see `functional.coefficients`.

    Args:
        gram: Shape ``(B, N, N)``, float64; N at most :data:`MOST_CANDIDATES`.
        target: Shape ``(R, N)``, float64: equal runs of rows belong to each of the B.
        terms: T.
        dependent: A candidate of whose variance less is new is passed over.
        faint: A row takes no candidate that correlates less.
    """
    from explainsal.functional import triton_kernels

    gram, target = gram.contiguous(), target.contiguous()
    rows, candidates = target.shape
    index = torch.empty(rows, terms, dtype=torch.int64, device=target.device)
    basis = target.new_empty(rows, terms, candidates)
    triton_kernels.matching_pursuit[(rows,)](
        gram, target, basis, index, candidates, rows // len(gram), terms, dependent, faint,
        BLOCK=1 << (candidates - 1).bit_length(),
    )  # fmt: skip
    return index


def _rows(values: Tensor) -> Tensor:
    """The same numbers as ``(images, rows, length)``, without a copy."""
    if values.ndim < 3:
        return values.reshape(1, -1, values.shape[-1])
    return values.flatten(0, -3) if values.ndim > 3 else values
