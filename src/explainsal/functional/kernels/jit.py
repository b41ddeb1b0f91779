"""Compilation of the loops: once per machine and argument type, without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy.typing as npt

Array = npt.NDArray[Any]
Loop = TypeVar("Loop", bound=Callable[..., Any])

_EXACT = {"contract"}
_SUMS = {"contract", "reassoc", "nsz", "arcp"}


def loop(function: Loop, *, reorder: bool = False, inline: bool = False) -> Loop:
    """Compile a function of arrays and numbers at its first call, and cache the machine code for later processes.

    Numba stores the code next to the source, or in the user's cache folder where the source folder is read-only. Where
    both are read-only, every process compiles again.

    Args:
        function: Function to compile. It releases the interpreter's lock, and NaN and infinity keep their meaning.
        reorder: Allow another order of summation, which is several times as fast on vector units.
        inline: Insert the code into the callers.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": _SUMS if reorder else _EXACT,
        "inline": "always" if inline else "never",
    }
    try:
        compiled: Loop = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no writable folder for the cache
        compiled = numba.njit(**options)(function)
    return compiled


def summing_loop(function: Loop) -> Loop:
    """Compile as :func:`loop` does, with sums in any order."""
    return loop(function, reorder=True)


def inlined(function: Loop) -> Loop:
    """Compile as :func:`summing_loop` does, as a part of its callers."""
    return loop(function, reorder=True, inline=True)
