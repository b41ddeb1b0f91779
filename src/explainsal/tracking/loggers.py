"""Logging of whole runs: options at the start, files at the end, and checkpoints even after a failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning import Callback
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from explainsal.fetch.writing import read_json
from explainsal.reporting.manifest import MANIFEST
from explainsal.tracking.wandb import GuardedWandbLogger, RunIdInCheckpoint, run_id_in


def wandb_loggers(loggers: Sequence[Logger]) -> list[GuardedWandbLogger]:
    """Return the loggers that log to W&B."""
    return [logger for logger in loggers if isinstance(logger, GuardedWandbLogger)]


def logger_callbacks(loggers: Sequence[Logger]) -> list[Callback]:
    """Return the callbacks that the loggers need in the training loop."""
    return [RunIdInCheckpoint(logger) for logger in wandb_loggers(loggers)]


@rank_zero_only
def log_config(loggers: Sequence[Logger], folder: Path, config: Mapping[str, Any]) -> None:
    """Log the options of the run in `folder` and its environment, including the commit of the code."""
    for logger in wandb_loggers(loggers):
        environment = read_json(folder / MANIFEST)
        logger.log_hyperparams({**config, "environment": environment})


@rank_zero_only
def log_run(loggers: Sequence[Logger], folder: Path, config: Mapping[str, Any], weights: str | None = None) -> None:
    """Log the tables, pictures and numbers of the run in `folder`, and its files as artifacts with lineage.

    Args:
        loggers: Only loggers to W&B are used.
        weights: Weight file used by the run, if any.
    """
    for logger in wandb_loggers(loggers):
        log_config([logger], folder, config)
        with logger.guarded("the run's tables and pictures"):
            from explainsal.reporting.run_folder import read_run
            from explainsal.tracking.dashboard.content import run_artifacts, run_content

            run = read_run(folder)
            content = run_content(run)
            for key, value in content.media.items():
                logger.log_metrics({key: value})
            logger.log_summary(content.summary)
            for artifact in run_artifacts(run, str(logger.version)):
                logger.log_files(artifact.name, artifact.kind, artifact.files)
            log_weights(logger, weights)


def close_loggers(loggers: Sequence[Logger], checkpoints: Path, *, failed: bool) -> None:
    """Log the checkpoints, then end the W&B runs so that the next job of a sweep starts its own."""
    for logger in wandb_loggers(loggers):
        log_checkpoints(logger, checkpoints)
        logger.close(failed=failed)


def log_weights(logger: GuardedWandbLogger, weights: str | None) -> None:
    """Log the weights used by a command as its input."""
    if weights is not None and Path(weights).is_file():
        name, kept = model_artifact(Path(weights)), "model" + Path(weights).suffix
        logger.log_files(name, "model", {kept: Path(weights)}, used=True)


def log_checkpoints(logger: GuardedWandbLogger, folder: Path) -> None:
    """Log the checkpoints of a training, including an interrupted one."""
    for path in sorted(folder.glob("*.ckpt")):
        logger.log_files(
            model_artifact(path), "model", {"model.ckpt": path}, aliases=[path.stem], metadata={"file": str(path)}
        )


def model_artifact(weights: Path) -> str:
    """Return the artifact name of a weight file; it is the same in the run that writes it and the run that uses it.

    Example:
        >>> model_artifact(Path("downloads/unisal weights.pth"))
        'model-unisal-weights'
    """
    name = run_id_in(weights) or "".join(c if c.isalnum() or c in "._" else "-" for c in weights.stem)
    return f"model-{name}"
