"""Division of work among the processes of a distributed run; a single process does all of it."""

from __future__ import annotations

from typing import Any, TypeVar

import torch

T = TypeVar("T")


def share(count: int) -> range:
    """Return the positions among `count` items that this process works on."""
    if not torch.distributed.is_initialized():
        return range(count)
    return range(torch.distributed.get_rank(), count, torch.distributed.get_world_size())


def is_first() -> bool:
    """Return whether this is the first process of the run, which writes and prints."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def gather(mine: T) -> list[T]:
    """Return the objects of all processes in the order of their ranks; every process must call this."""
    if not torch.distributed.is_initialized():
        return [mine]
    found: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(found, mine)
    return found
