"""A command's loggers: made at its start, given the whole run at its end, and closed however it ends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from hydra.utils import instantiate
from lightning import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from explainsal.fetch.writing import read_json
from explainsal.tracking.wandb import GuardedWandbLogger, RunIdInCheckpoint, run_id_in

_Result = TypeVar("_Result")


def tracked(task: Callable[[DictConfig, list[Logger]], _Result]) -> Callable[[DictConfig], _Result]:
    """Hand a command its loggers; close them when it returns or fails, so that every job of a sweep has its own run."""

    @functools.wraps(task)
    def with_loggers(cfg: DictConfig) -> _Result:
        loggers = loggers_of(cfg, task.__name__)
        failed = True
        try:
            result = task(cfg, loggers)
            failed = False
        finally:
            for logger in wandb_loggers(loggers):
                log_checkpoints(logger, Path(cfg.paths.output) / "checkpoints")
                logger.close(failed=failed)
        return result

    return with_loggers


def loggers_of(cfg: DictConfig, command: str) -> list[Logger]:
    """The loggers of ``cfg.logger``; a W&B run that the training to resume belongs to goes on."""
    nodes = dict(cfg.get("logger") or {})
    if "wandb" in nodes:
        known = run_id_in(cfg.resume) if cfg.get("resume") is not None else None
        resumed = {} if known is None or "id" in nodes["wandb"] else {"id": known}
        nodes["wandb"] = {"job_type": command, **nodes["wandb"], **resumed}
    made = [instantiate(node) for node in nodes.values()]
    return [logger for logger in made if logger is not None]  # W&B is off where it is not installed


def wandb_loggers(loggers: Sequence[Logger]) -> list[GuardedWandbLogger]:
    """Those that log to W&B."""
    return [logger for logger in loggers if isinstance(logger, GuardedWandbLogger)]


def callbacks_of(loggers: Sequence[Logger]) -> list[Callback]:
    """What the loggers need in the training loop."""
    return [RunIdInCheckpoint(logger) for logger in wandb_loggers(loggers)]


@rank_zero_only
def log_config(loggers: Sequence[Logger], cfg: DictConfig) -> None:
    """Log the resolved config, and the environment with the commit of the code, which `write_record` wrote."""
    for logger in wandb_loggers(loggers):
        environment = read_json(Path(cfg.paths.output) / "environment.json")
        config: Any = OmegaConf.to_container(cfg, resolve=True)
        logger.log_hyperparams({**config, "environment": environment})


@rank_zero_only
def log_run(loggers: Sequence[Logger], cfg: DictConfig) -> None:
    """Log what a command left in its folder: tables, pictures, numbers, and its files as artifacts with lineage."""
    for logger in wandb_loggers(loggers):
        log_config([logger], cfg)
        with logger.guarded("the run's tables and pictures"):
            from explainsal.reporting.run_folder import read_run
            from explainsal.tracking.dashboard.content import run_artifacts, run_content

            run = read_run(cfg.paths.output)
            content = run_content(run)
            for key, value in content.media.items():
                logger.log_metrics({key: value})
            logger.log_summary(content.summary)
            for artifact in run_artifacts(run, str(logger.version)):
                logger.log_files(artifact.name, artifact.kind, artifact.files)
            log_weights(logger, given_weights(cfg))


def given_weights(cfg: DictConfig) -> str | None:
    """The weight file that a command was given; None for what it trains itself, or what comes with the project."""
    if "checkpoint" not in cfg:
        return None
    source = cfg.checkpoint or cfg.weights or (cfg.get("model") or {}).get("weights")
    return None if source is None else str(source)


def log_weights(logger: GuardedWandbLogger, weights: str | None) -> None:
    """Log the weights that a command was given as its input."""
    if weights is not None and Path(weights).is_file():
        name, kept = model_artifact(Path(weights)), "model" + Path(weights).suffix
        logger.log_files(name, "model", {kept: Path(weights)}, used=True)


def log_checkpoints(logger: GuardedWandbLogger, folder: Path) -> None:
    """Log the checkpoints of a training, also of one that was stopped."""
    for path in sorted(folder.glob("*.ckpt")):
        logger.log_files(
            model_artifact(path), "model", {"model.ckpt": path}, aliases=[path.stem], metadata={"file": str(path)}
        )


def model_artifact(weights: Path) -> str:
    """Name of the artifact that weights are versions of: the same in the run that makes and the one that uses them.

    Example:
        >>> model_artifact(Path("downloads/unisal weights.pth"))
        'model-unisal-weights'
    """
    name = run_id_in(weights) or "".join(c if c.isalnum() or c in "._" else "-" for c in weights.stem)
    return f"model-{name}"
