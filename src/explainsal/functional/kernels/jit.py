"""How the loops are compiled: once per machine and kind of argument, without the interpreter's lock."""

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
    """Compile a function of arrays and numbers at its first call, and keep the machine code for later processes.

    Numba keeps it beside the source, or in the user's cache folder where that is read-only. Where neither can be
    written to, every process compiles anew.

    Args:
        function: What to compile. It releases the interpreter's lock, and NaN and infinity keep their meaning.
        reorder: Let sums be taken in another order, which processors do several times as fast.
        inline: Insert the code into that of the callers.
    """
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "fastmath": _SUMS if reorder else _EXACT,
        "inline": "always" if inline else "never",
    }
    try:
        compiled: Loop = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no place for the cache
        compiled = numba.njit(**options)(function)
    return compiled


def summing_loop(function: Loop) -> Loop:
    """Compile as :func:`loop` does, with sums in any order."""
    return loop(function, reorder=True)


def inlined(function: Loop) -> Loop:
    """Compile as :func:`summing_loop` does, as a part of its callers."""
    return loop(function, reorder=True, inline=True)
