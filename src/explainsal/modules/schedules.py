"""A learning-rate schedule that a resumed training follows with its present options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler


def follow_options(scheduler: LRScheduler, make: Callable[[Optimizer], LRScheduler]) -> bool:
    """Put a restored schedule where it would be had its present options held from the first epoch on.

    Restoring a schedule also restores its options, e.g. a length that is not that of this training.

    Args:
        scheduler: Restored, with its optimizer.
        make: Makes such a schedule with its present options.

    Returns:
        Whether the options differed; if not, nothing is changed.
    """
    groups = scheduler.optimizer.param_groups
    stand_in = SGD([{"params": [torch.zeros(1)], "lr": group["initial_lr"]} for group in groups], lr=1.0, momentum=0.9)
    fresh = make(stand_in)
    if _options(fresh) == _options(scheduler):
        return False
    for _ in range(scheduler.last_epoch):
        stand_in.step()
        fresh.step()
    scheduler.load_state_dict(fresh.state_dict())
    for group, other in zip(groups, stand_in.param_groups, strict=True):
        group["lr"] = other["lr"]
    return True


def _options(scheduler: LRScheduler) -> dict[str, Any]:
    """What decides the course of a schedule, without where on it it is."""
    progress = ("last_epoch", "base_lrs")
    return {name: value for name, value in scheduler.state_dict().items() if name[0] != "_" and name not in progress}
