"""Open the run of a command: its folder, options and loggers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from omegaconf import DictConfig, OmegaConf

from explainsal import tracking
from explainsal.app.build import build_group, choose_cfg_device
from explainsal.workflows.runs import RunFolder

if TYPE_CHECKING:
    from lightning.pytorch.loggers import Logger


@contextmanager
def open_run(cfg: DictConfig, command: str) -> Iterator[RunFolder]:
    """Yield the run of a command; its loggers are closed when the block returns or fails.

    Args:
        command: The command's name, which W&B shows as the run's job type.
    """
    folder = Path(cfg.paths.output)
    loggers = build_loggers(cfg, command)
    failed = True
    try:
        device = choose_cfg_device(cfg) if cfg.get("trainer") is not None else None
        arguments = (command, *sys.argv[1:])
        yield RunFolder(folder, resolve_options(cfg), loggers, find_given_weights(cfg), arguments, device)
        failed = False
    finally:
        if loggers:
            tracking.close_loggers(loggers, folder / "checkpoints", failed=failed)


def resolve_options(cfg: DictConfig) -> dict[str, Any]:
    """Return the options as plain values with resolved interpolations."""
    return cast("dict[str, Any]", OmegaConf.to_container(cfg, resolve=True))


def build_loggers(cfg: DictConfig, command: str) -> list[Logger]:
    """Build the loggers of ``cfg.logger``; a resumed training continues its W&B run."""
    nodes = dict(cfg.get("logger") or {})
    if nodes.get("wandb") is not None:
        known = tracking.run_id_in(cfg.resume) if cfg.get("resume") is not None else None
        resumed = {} if known is None or "id" in nodes["wandb"] else {"id": known}
        nodes["wandb"] = {"job_type": command, **nodes["wandb"], **resumed}
    return [logger for logger in build_group(nodes).values() if logger is not None]  # None: W&B is not installed


def find_given_weights(cfg: DictConfig) -> str | None:
    """Return the weight file given to a command; None if it trains its own weights or uses packaged ones."""
    if "checkpoint" not in cfg:
        return None
    source = cfg.checkpoint or cfg.weights or (cfg.get("model") or {}).get("weights")
    return None if source is None else str(source)
