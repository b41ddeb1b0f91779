"""What depends on the machine in an explanation: memory, the number of maps computed together, reading of values.

Results do not depend on these numbers, except for rounding.
"""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import loops_run, shares

KEPT_SHARE = 0.75  # share of their budget for all candidates of a layer on an accelerator
_FOR_CANDIDATES = 0.5, 0.75  # share of a layer's memory on a CPU and on an accelerator
_CPU_BUDGET, _ACCELERATOR_BUDGET = 2 * 10**9, 8 * 10**9  # bytes
_CPU_CHUNK = 2**21  # pixels of candidates computed together on a CPU: 8 MiB of float32
_CPU_COMBINED = 2**20  # pixels of combinations that a CPU computes together


def default_budget(device: torch.device) -> int:
    """Return the bytes that an explanation may use by default beyond the network's own forward pass."""
    return _CPU_BUDGET if device.type == "cpu" else _ACCELERATOR_BUDGET


def for_candidates(spare: int, device: torch.device) -> int:
    """Return the bytes of a layer's memory that are for candidates."""
    return int(_FOR_CANDIDATES[device.type != "cpu"] * spare)


def for_making_and_keeping(budget: int, device: torch.device) -> tuple[int, int]:
    """Return the bytes for the computation of candidates and for those that stay in memory."""
    return (budget, budget // 2) if device.type == "cpu" else (budget // 4, int(KEPT_SHARE * budget))


def candidates_together(most: int, pixels: int, device: torch.device) -> int:
    """Return how many candidates of some pixels are computed together, at most `most`.

    Larger chunks spend their time on new memory pages of a CPU.
    """
    return min(most, max(8, _CPU_CHUNK // pixels)) if device.type == "cpu" else most


def filters_together(most: int, pixels: int) -> int:
    """Return how many filters are applied together: all of a small map, since one by one takes a hundred times as long.

    Example:
        >>> filters_together(5, 100 * 100)
        209
    """
    return max(most, _CPU_CHUNK // pixels)


def combinations_together(most: int, pixels: int, device: torch.device) -> int:
    """Return how many combinations of some pixels are computed together, so that work arrays stay in a CPU's cache."""
    return min(most, max(8, _CPU_COMBINED // pixels)) if device.type == "cpu" else most


def images_together(most: int, device: torch.device) -> int:
    """Return how many images are explained together.

    This is one on a CPU, where the rounding of convolutions and matrix products can depend on the batch size.
    """
    return 1 if device.type == "cpu" else most


def independent_shares(device: torch.device) -> int:
    """Return how many independent computations run at the same time: as many as threads on a CPU, else one."""
    return shares() if device.type == "cpu" else 1


def in_one_array(like: Tensor) -> bool:
    """Return whether all candidates of a layer are in one array, as few large operations need; compiled loops do not.

    Example:
        >>> in_one_array(torch.zeros(3))
        False
    """
    return not loops_run(like)


def surely(condition: Tensor) -> bool:
    """Return whether a condition surely holds everywhere; False on accelerators, to avoid waiting for them.

    Example:
        >>> surely(torch.tensor([True, True])), surely(torch.tensor([True, False]))
        (True, False)
    """
    return condition.device.type == "cpu" and bool(condition.all())
