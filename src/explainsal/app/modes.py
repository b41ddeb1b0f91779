"""Run the selected mode of a command with several modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig

from explainsal.errors import UserError


def run_mode(
    cfg: DictConfig, modes: Mapping[str, Callable[[DictConfig], Any]], only: Mapping[str, str] | None = None
) -> Any:
    """Call the function of ``modes`` that ``cfg.mode`` names.

    Args:
        only: Option -> the mode that uses it; every other mode would ignore it.

    Raises:
        UserError: If the mode is unknown, or an option of another mode is given.

    Example:
        >>> from omegaconf import OmegaConf
        >>> run_mode(OmegaConf.create({"mode": "check", "file": "a.zip"}), {"check": lambda cfg: cfg.file})
        'a.zip'
    """
    if cfg.mode not in modes:
        raise UserError(f"mode={cfg.mode} does not exist. Choose one of {', '.join(modes)}.")
    for option, mode in (only or {}).items():
        if cfg[option] is not None and cfg.mode != mode:
            raise UserError(f"{option}={cfg[option]} has no effect with mode={cfg.mode}: add mode={mode}")
    return modes[cfg.mode](cfg)
