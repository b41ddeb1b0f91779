"""Weights & Biases through Lightning's logger: online with a key, offline without one, never in the way."""

from __future__ import annotations

import logging
import netrc
import os
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger

from explainsal.errors import UserError

log = logging.getLogger(__name__)
_HOST = "api.wandb.ai"


def build_wandb_logger(save_dir: str, **options: Any) -> WandbLogger:
    """A W&B logger; ``WANDB_MODE`` is respected, else offline when no key is found.

    Offline runs lie in ``<save_dir>/wandb`` and go up later with ``wandb sync <folder>``.

    Args:
        save_dir: The run's output folder.
        options: Passed to ``wandb.init`` through Lightning (project, name, tags, ...).

    Raises:
        UserError: If wandb is not installed.
    """
    try:
        import wandb
    except ImportError as error:
        raise UserError('logger=wandb needs wandb: pip install "explainsal[wandb]", or use logger=csv') from error
    offline = os.environ.get("WANDB_MODE", "online" if _has_key() else "offline") != "online"
    if offline:
        log.info("W&B runs offline (no key found); upload later with: wandb sync %s/wandb/offline-run-*", save_dir)
    settings = wandb.Settings(init_timeout=30, silent=True)  # a dead network must not hold up training
    Path(save_dir).mkdir(parents=True, exist_ok=True)
    return WandbLogger(save_dir=save_dir, offline=offline, settings=settings, **options)


def _has_key() -> bool:
    """Whether a key is in the environment or in ~/.netrc, where ``wandb login`` puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
