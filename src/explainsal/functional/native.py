"""Compiled inner loops on a CPU: built once from `native.c` by the machine's own C compiler, and only where asked for.

The plain PyTorch path is the reference: it is the default, and serves accelerators. The kernels compute the same
numbers up to rounding (docs/decisions/0010).
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from explainsal.errors import UserError

_FLAGS = (
    "-O3",
    "-march=native",
    "-fopenmp-simd",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-std=c11",
    "-shared",
    "-fPIC",
)
_active: ContextVar[bool] = ContextVar("native_kernels", default=False)


@contextmanager
def native_kernels(wanted: bool = True) -> Iterator[None]:
    """Let the functions of this package use compiled kernels for CPU tensors of float32 and float64 inside the block.

    Raises:
        UserError: If they are wanted and there is no C compiler, or it fails.
    """
    if wanted:
        _library()
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


def block_moments(
    maps: Tensor, cells: int, shape: tuple[int, int], square: float = 0.0, size: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Mean and variance of blocks of ``cells x cells`` pixels of maps ``(..., H, W)``, or of the maps enlarged.

    Args:
        maps: Shape ``(..., H, W)``.
        cells: Side of a block in pixels of the maps.
        shape: How many blocks there are along either axis.
        square: Mean of t^2 over the sample offsets t in a pixel; 0 for maps as they are.
        size: Mean of |t|.

    Returns:
        Two tensors ``(..., *shape)``.
    """
    flat = maps.reshape(-1, *maps.shape[-2:]).contiguous()
    mean = flat.new_empty(len(flat), *shape)
    variance = torch.empty_like(mean)

    def work(start: int, stop: int) -> int:
        return int(_kernel("block_moments", flat)(
            _at(flat, start), stop - start, flat.shape[1], flat.shape[2], cells, ctypes.c_double(square),
            ctypes.c_double(size), *shape, _at(mean, start), _at(variance, start),
        ))  # fmt: skip

    _in_threads(work, len(flat))
    return mean.reshape(*maps.shape[:-2], *shape), variance.reshape(*maps.shape[:-2], *shape)


def absolute_differences(first: Tensor, second: Tensor) -> Tensor:
    """Sums of absolute differences between all rows of ``(A, D)`` and of ``(N, D)``: ``(A, N)``."""
    first, second = first.contiguous(), second.contiguous()
    total = first.new_empty(len(second), len(first))  # threads share out the second, whose rows are more

    def work(start: int, stop: int) -> int:
        return int(_kernel("absolute_differences", first)(
            _at(second, start), _at(first, 0), stop - start, len(first), first.shape[1], _at(total, start)
        ))  # fmt: skip

    _in_threads(work, len(second))
    return total.T


def add_combinations(total: Tensor, maps: Tensor, place: Tensor, weights: Tensor) -> None:
    """Add ``weights[r, t] * maps[place[r, t]]`` to every row of `total` ``(R, D)``; a place of -1 adds nothing.

    Args:
        total: Shape ``(R, D)``, contiguous.
        maps: Shape ``(N, D)``.
        place: Shape ``(R, T)``, int64, below N.
        weights: Shape ``(R, T)``.
    """
    maps, place, weights = maps.contiguous(), place.contiguous(), weights.contiguous()

    def work(start: int, stop: int) -> int:
        return int(_kernel("add_combinations", maps)(
            _at(maps, 0), _at(place, start), _at(weights, start), stop - start, place.shape[1], maps.shape[1],
            _at(total, start),
        ))  # fmt: skip

    _in_threads(work, len(total))


def filtered(spectra: Tensor, bank: Tensor) -> Tensor:
    """Complex spectra ``(n, H, W)`` times real transfer functions ``(g, H, W)``: ``(n, g, H, W)``."""
    real, bank = torch.view_as_real(spectra.contiguous()), bank.contiguous()
    out = real.new_empty(len(spectra), *bank.shape, 2)
    pixels = bank[0].numel()

    def work(start: int, stop: int) -> int:
        return int(_kernel("filtered", bank)(
            _at(real, start), _at(bank, 0), stop - start, len(bank), pixels, _at(out, start)
        ))  # fmt: skip

    _in_threads(work, len(spectra))
    return torch.view_as_complex(out)


def magnitude(responses: Tensor, out: Tensor) -> None:
    """Write the magnitude of complex responses to `out`, contiguous and of the same shape."""
    real = torch.view_as_real(responses.contiguous())

    def work(start: int, stop: int) -> int:
        count = (stop - start) * out[0].numel()
        return int(_kernel("magnitude", out)(_at(real, start), count, ctypes.c_double(1), _at(out, start)))

    _in_threads(work, len(out))


def _in_threads(work: Callable[[int, int], int], count: int) -> None:
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


def _at(tensor: Tensor, row: int) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr() + row * tensor.stride(0) * tensor.element_size())


def _kernel(name: str, like: Tensor) -> Callable[..., int]:
    function = _library()[f"{name}_{'float' if like.dtype == torch.float32 else 'double'}"]
    return lambda *values: function(*(ctypes.c_ssize_t(v) if isinstance(v, int) else v for v in values))


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL:
    sources = [Path(__file__).with_name(name) for name in ("native.c", "native_kernels.h")]
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    if compiler is None:
        raise UserError("compile=True needs a C compiler (cc, gcc or clang), and none is on the PATH: install one, "
                        "or leave compile=False, which computes the same more slowly")  # fmt: skip
    key = hashlib.sha256(b"".join(s.read_bytes() for s in sources) + f"{compiler}{_FLAGS}{_processor()}".encode())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explainsal"
    library = cache / f"native-{key.hexdigest()[:16]}.so"
    if not library.is_file():
        _build(compiler, sources[0], library)
    return ctypes.CDLL(str(library))


def _build(compiler: str, source: Path, library: Path) -> None:
    """Compile under another name first: several processes may want the library at once."""
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        made = Path(folder) / library.name
        done = subprocess.run([compiler, *_FLAGS, str(source), "-o", str(made), "-lm"], capture_output=True, text=True)
        if done.returncode:
            raise UserError(f"compile=True: {compiler} failed on {source}; leave compile=False.\n{done.stderr.strip()}")
        made.replace(library)


def _processor() -> str:
    """What the code is built for: a home folder may be shared by machines of different instruction sets."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine() + platform.processor() + platform.node()
    return platform.machine() + next((line for line in lines if line.startswith(("flags", "Features"))), "")
