"""Run the selected mode of a command with several modes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from omegaconf import DictConfig

from explainsal.errors import UserError


def run_mode(cfg: DictConfig, modes: Mapping[str, Callable[[DictConfig], Any]]) -> Any:
    """Call the function of ``modes`` that ``cfg.mode`` names.

    Raises:
        UserError: If the mode is unknown.

    Example:
        >>> from omegaconf import OmegaConf
        >>> run_mode(OmegaConf.create({"mode": "check", "file": "a.zip"}), {"check": lambda cfg: cfg.file})
        'a.zip'
    """
    if cfg.mode not in modes:
        raise UserError(f"mode={cfg.mode} does not exist. Choose one of {', '.join(modes)}.")
    return modes[cfg.mode](cfg)
