"""Choose the device for computations."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from explainsal.errors import UserError


def choose_device(accelerator: str = "auto", devices: int | str | Sequence[int] = 1) -> torch.device:
    """Return the device that a Lightning trainer with these options uses in this process.

    Args:
        accelerator: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``, as ``trainer.accelerator``.
        devices: As ``trainer.devices``; a list with one GPU selects that GPU, anything else the current one.

    Raises:
        UserError: If this machine has no such device.

    Example:
        >>> choose_device("cpu")
        device(type='cpu')
    """
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
