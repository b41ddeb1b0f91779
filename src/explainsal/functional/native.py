"""Compiled inner loops on a CPU, only where asked for.

The plain PyTorch path is the reference: it is the default, and serves accelerators. The kernels compute the same
numbers up to rounding (docs/decisions/0010). Those of the metrics are called in `functional.metrics.compiled`.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor

from explainsal.functional.native_build import library

_active: ContextVar[bool] = ContextVar("native_kernels", default=False)


@contextmanager
def native_kernels(wanted: bool = True) -> Iterator[None]:
    """Let the functions of this package use compiled kernels for CPU tensors of float32 and float64 inside the block.

    Raises:
        UserError: If they are wanted and there is no C compiler, or it fails.
    """
    if wanted:
        library()
    token = _active.set(wanted)
    try:
        yield
    finally:
        _active.reset(token)


def serves(*tensors: Tensor) -> bool:
    """Whether compiled kernels are wanted here and can take these tensors."""
    kinds = {tensor.dtype for tensor in tensors}
    on_cpu = all(tensor.device.type == "cpu" for tensor in tensors)
    return _active.get() and on_cpu and len(kinds) == 1 and kinds <= {torch.float32, torch.float64}


class Blocks(NamedTuple):
    """Blocks of maps as they are, enlarged or made smaller.

    Args:
        shrink: How often the maps are made smaller, see :func:`shrunk`: 1, 2 or 4.
        cells: Side of a block in pixels of these.
        rows: How many blocks there are along y.
        columns: The same along x.
        square: Mean of t^2 over the sample offsets t in a pixel of maps that are enlarged, else 0.
        size: Mean of their absolute values.
    """

    shrink: int
    cells: int
    rows: int
    columns: int
    square: float = 0.0
    size: float = 0.0


def block_moments(maps: Tensor, scales: Sequence[Blocks]) -> list[tuple[Tensor, Tensor]]:
    """Mean and variance of blocks of maps ``(..., H, W)``: per scale two tensors ``(..., rows, columns)``."""
    flat = maps.reshape(-1, *maps.shape[-2:]).contiguous()
    found = [flat.new_empty(2, len(flat), one.rows, one.columns) for one in scales]
    counts = (ctypes.c_longlong * (4 * len(scales)))(*(number for one in scales for number in one[:4]))
    offsets = (ctypes.c_double * (2 * len(scales)))(*(number for one in scales for number in one[4:]))

    def work(start: int, stop: int) -> int:
        mean, variance = ((ctypes.c_void_p * len(scales))(*(at(one[i], start) for one in found)) for i in range(2))
        return int(kernel("scaled_moments", flat)(
            at(flat, start), stop - start, *flat.shape[1:], len(scales), counts, offsets, mean, variance
        ))  # fmt: skip

    in_threads(work, len(flat))
    shape = maps.shape[:-2]
    return [(one[0].reshape(*shape, *one.shape[2:]), one[1].reshape(*shape, *one.shape[2:])) for one in found]


def absolute_differences(first: Tensor, second: Tensor) -> Tensor:
    """Sums of absolute differences between all rows of ``(A, D)`` and of ``(N, D)``: ``(A, N)``."""
    first, second = first.contiguous(), second.contiguous()
    total = first.new_empty(len(second), len(first))  # threads share out the second, whose rows are more

    def work(start: int, stop: int) -> int:
        return int(kernel("absolute_differences", first)(
            at(second, start), at(first, 0), stop - start, len(first), first.shape[1], at(total, start)
        ))  # fmt: skip

    in_threads(work, len(second))
    return total.T


def add_combinations(total: Tensor, place: Tensor, weights: Tensor) -> None:
    """Add to every row of `total` ``(R, D)`` the maps of D numbers at some places in memory, each times its weight.

    Args:
        total: Shape ``(R, D)``, contiguous.
        place: Shape ``(R, T)``, int64, as :func:`places` gives them; 0 adds nothing.
        weights: Shape ``(R, T)``, of the dtype of `total` and of the maps.
    """
    place, weights = place.contiguous(), weights.contiguous()

    def work(start: int, stop: int) -> int:
        return int(kernel("add_combinations", total)(
            at(place, start), at(weights, start), stop - start, place.shape[1], total.shape[1], at(total, start)
        ))  # fmt: skip

    in_threads(work, len(total))


def places(maps: Tensor) -> Tensor:
    """Where in memory each of the contiguous maps ``(N, ...)`` begins: ``(N,)``, int64; valid while `maps` lives."""
    return maps.data_ptr() + torch.arange(len(maps)) * (maps.stride(0) * maps.element_size())


def filtered(spectra: Tensor, bank: Tensor, out: Tensor | None = None) -> Tensor:
    """Complex spectra ``(n, H, W)`` times real transfer functions ``(g, H, W)``: ``(n, g, H, W)``, in `out` if any."""
    spectra, bank = torch.view_as_real(spectra.contiguous()), bank.contiguous()
    if out is None:
        out = torch.empty(len(spectra), *bank.shape, dtype=bank.dtype.to_complex())
    out = out.view(len(spectra), *bank.shape)  # a row of it belongs to one spectrum: threads begin at rows
    real, pixels = torch.view_as_real(out), bank[0].numel()

    def work(start: int, stop: int) -> int:
        return int(kernel("filtered", bank)(
            at(spectra, start), at(bank, 0), stop - start, len(bank), pixels, at(real, start)
        ))  # fmt: skip

    in_threads(work, len(spectra))
    return out


def magnitude(responses: Tensor, level: Tensor, out: Tensor) -> None:
    """Write the magnitude of complex responses ``(n, H, W)``, times a level ``(n,)`` each, to contiguous `out`."""
    real, level = torch.view_as_real(responses.contiguous()), level.contiguous()

    def work(start: int, stop: int) -> int:
        return int(kernel("magnitude", out)(
            at(real, start), at(level, start), stop - start, out[0].numel(), at(out, start)
        ))  # fmt: skip

    in_threads(work, len(out))


def shrunk(maps: Tensor, step: int) -> Tensor:
    """Maps ``(..., H, W)`` made 2 or 4 times smaller, where `step` divides both sides: ``(..., H / step, W / step)``.

    Every pixel is the mean of the 2 x 2 pixels around its centre, as bilinear resizing without antialiasing has it.
    """
    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, height, width).contiguous()
    out = flat.new_empty(len(flat), height // step, width // step)

    def work(start: int, stop: int) -> int:
        return int(kernel("shrunk", flat)(at(flat, start), stop - start, height, width, step, at(out, start)))

    in_threads(work, len(flat))
    return out.reshape(*maps.shape[:-2], *out.shape[-2:])


def add_there_and_back(total: Tensor, maps: Tensor, scale: float, *, squared: bool) -> None:
    """Add to `total` the maps taken to a scale and back bilinearly, or the squares of these.

    Args:
        total: Shape ``(n, H, W)``, contiguous.
        maps: Shape ``(n, H, W)``; every map contiguous, but they may lie apart.
        scale: 4, 2, 1, or where it keeps sides whole 0.5 or 0.25.
        squared: Whether squares are added.
    """
    name = "add_shrunk_and_back" if scale < 1 else "add_enlarged_and_back"
    how = round(1 / scale) if scale < 1 else {1.0: 0.0, 2.0: 0.125, 4.0: 0.0625}[float(scale)]

    def work(start: int, stop: int) -> int:
        return int(kernel(name, total)(
            at(maps, start), maps.stride(0), stop - start, *total.shape[1:], how, int(squared), at(total, start)
        ))  # fmt: skip

    in_threads(work, len(total))


def in_threads(work: Callable[[int, int], int], count: int) -> None:
    """Share ``range(count)`` out over as many threads as PyTorch uses; a kernel releases the interpreter's lock."""
    threads = min(torch.get_num_threads(), count)
    cuts = [count * i // max(threads, 1) for i in range(threads + 1)]
    if threads <= 1:
        failed = [work(0, count)] if count else []
    else:
        with ThreadPoolExecutor(threads) as pool:
            failed = list(pool.map(work, cuts, cuts[1:]))
    if any(failed):
        raise MemoryError("a compiled kernel found no memory for its rows")


def at(tensor: Tensor, row: int) -> ctypes.c_void_p:
    """Where in memory a row of a tensor begins."""
    return ctypes.c_void_p(tensor.data_ptr() + row * tensor.stride(0) * tensor.element_size())


def kernel(name: str, like: Tensor) -> Callable[..., int]:
    """A kernel for the dtype of `like`: ints become ptrdiff_t, floats double; it gives 1 if it found no memory."""
    function = library()[f"{name}_{'float' if like.dtype == torch.float32 else 'double'}"]
    kinds = {int: ctypes.c_ssize_t, float: ctypes.c_double}
    return lambda *values: function(*(kinds[type(v)](v) if type(v) in kinds else v for v in values))
