"""Division of work among the processes of a distributed run; a single process does all of it."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")  # environment variables


def share(count: int) -> range:
    """Return the positions among `count` items that this process works on."""
    group = _group()
    return range(count) if group is None else range(group.get_rank(), count, group.get_world_size())


def is_first() -> bool:
    """Return whether this is the first or only process of a run, which writes and prints.

    Before the processes know each other, the environment variables of Lightning, torchrun or Slurm tell the rank.
    """
    group = _group()
    if group is not None:
        return bool(group.get_rank() == 0)
    return all(os.environ.get(name, "0") == "0" for name in RANKS)


def first_only(function: Callable[P, None]) -> Callable[P, None]:
    """Make a function do nothing in all processes but the first."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        if is_first():
            function(*args, **kwargs)

    return call


def gather(mine: T) -> list[T]:
    """Return the objects of all processes in the order of their ranks; every process must call this."""
    group = _group()
    if group is None:
        return [mine]
    found: list[Any] = [None] * group.get_world_size()
    group.all_gather_object(found, mine)
    return found


def _group() -> Any:
    """Return ``torch.distributed`` if it connects several processes, else None. It is not imported, which is slow."""
    distributed = sys.modules.get("torch.distributed")
    return distributed if distributed is not None and distributed.is_initialized() else None
