"""Learning-rate schedule of a resumed training, adapted to its current options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler


def follow_options(scheduler: LRScheduler, make: Callable[[Optimizer], LRScheduler]) -> bool:
    """Set a restored schedule to its state if the current options had held since the first epoch.

    Restoring a schedule also restores its old options, e.g. another length of training.

    Args:
        scheduler: Restored scheduler, with its optimizer.
        make: Builds the schedule with the current options.

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
    """Return the entries that define a schedule's course, without its progress."""
    progress = ("last_epoch", "base_lrs")
    return {name: value for name, value in scheduler.state_dict().items() if name[0] != "_" and name not in progress}
