"""Current optimizer options and learning-rate schedule for a resumed training, in place of those in its checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler

from explainsal.errors import UserError


def follow_optimizer(optimizer: Optimizer, fresh: Optimizer) -> list[str]:
    """Set a restored optimizer's options to the current ones.

    Restoring an optimizer also restores its old options, e.g. the initial learning rate.

    Args:
        optimizer: Restored optimizer; `follow_options` adapts its schedule.

    Returns:
        Names of the options that differed.

    Raises:
        UserError: If the restored optimizer has another type.
    """
    changed = []
    for group, other in zip(optimizer.param_groups, fresh.param_groups, strict=True):
        names = {name for name in other if name not in ("params", "initial_lr")}
        if not names <= set(group):
            raise UserError(
                "the checkpoint is from a training with another optimizer than module/optimizer=... chooses: "
                "resume with the optimizer of that training"
            )
        rate = "initial_lr" if "initial_lr" in group and "initial_lr" in other else "lr"
        if group[rate] != other[rate]:
            group["lr"] = other["lr"]
            changed.append("lr")
        if "initial_lr" in other:
            group["initial_lr"] = other["initial_lr"]
        cycled = ("betas", "momentum") if "max_momentum" in other else ()  # such a schedule changes them at every step
        for name in sorted(names - {"lr", *cycled}):
            if _plain(group[name]) != _plain(other[name]):
                group[name] = other[name]
                changed.append(name)
    return list(dict.fromkeys(changed))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def follow_options(scheduler: LRScheduler, make: Callable[[Optimizer], LRScheduler]) -> bool:
    """Set a restored schedule to the state that it would have if the current options had applied from the first epoch.

    Restoring a schedule also restores its old options, e.g. another length of training.

    Returns:
        Whether the options differed; if not, nothing is changed.
    """
    groups = scheduler.optimizer.param_groups
    stand_in = SGD([{"params": [torch.zeros(1)], "lr": group["initial_lr"]} for group in groups], lr=1.0, momentum=0.9)
    fresh = make(stand_in)
    rates = [group["initial_lr"] for group in groups]
    if _options(fresh) == _options(scheduler) and list(scheduler.base_lrs) == rates:
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
