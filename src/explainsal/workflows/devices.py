"""Choose the device for computations."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import torch

from explainsal.errors import UserError

log = logging.getLogger(__name__)
_ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def choose_device(accelerator: str = "auto", devices: int | str | Sequence[int] = 1) -> torch.device:
    """Return the device that a Lightning trainer with these options uses in this process.

    Args:
        accelerator: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``, as ``trainer.accelerator``.
        devices: As ``trainer.devices``; a list with one GPU selects that GPU, anything else the current one.

    Raises:
        UserError: If the accelerator is unknown, or this machine has none.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
    if accelerator not in _ACCELERATORS:
        raise UserError(f"trainer.accelerator={accelerator}: choose one of {', '.join(_ACCELERATORS)}")
    if accelerator == "mps":
        if not torch.backends.mps.is_available():
            raise UserError("trainer.accelerator=mps: this machine has no such device; use auto or cpu")
        return torch.device("mps")
    if accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
        raise UserError(f"trainer.accelerator={accelerator}: PyTorch finds no GPU; use trainer=cpu or trainer=auto")
    if accelerator == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if isinstance(devices, Sequence) and not isinstance(devices, str) and len(devices) == 1:
        return torch.device("cuda", int(devices[0]))
    return torch.device("cuda")


def use_one_process(what: str, devices: int | str | Sequence[int]) -> None:
    """Warn if several devices are requested for work that a single process does.

    Args:
        devices: As ``trainer.devices``.

    Example:
        >>> use_one_process("predicting", 1)
    """
    if count_devices(devices) > 1:
        log.warning("%s runs in one process: trainer.devices=%s is ignored, and one device is used", what, devices)


def count_devices(devices: int | str | Sequence[int]) -> int:
    """Return how many devices ``trainer.devices`` asks for.

    Example:
        >>> count_devices(2), count_devices("0,1"), count_devices([3])
        (2, 2, 1)
    """
    if isinstance(devices, str) and devices != "auto" and "," in devices:
        return len([part for part in devices.split(",") if part.strip()])
    if isinstance(devices, str) and devices != "auto":
        devices = int(devices)
    if devices in ("auto", -1):
        return max(1, torch.cuda.device_count())
    return devices if isinstance(devices, int) else len(devices)
