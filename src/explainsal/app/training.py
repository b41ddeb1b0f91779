"""Build the training module and the trainer that a configuration describes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, cast

import lightning
from hydra.utils import instantiate
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from explainsal.app.build import build_group, choose_cfg_device
from explainsal.callbacks.stopping import StopOnSignal
from explainsal.tracking.loggers import logger_callbacks
from explainsal.workflows.training import require_trainable

log = logging.getLogger(__name__)


def seed_everything(cfg: DictConfig) -> None:
    """Seed Python, NumPy, PyTorch and the workers of the loaders with ``cfg.seed``."""
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)


def build_module(cfg: DictConfig) -> LightningModule:
    """Build the network of ``cfg.model`` in the training module of ``cfg.module``.

    Raises:
        UserError: If the model has no weights to train.
    """
    return cast(LightningModule, instantiate(cfg.module, model=require_trainable(instantiate(cfg.model))))


def refuse_classical(cfg: DictConfig) -> None:
    """Raise before data are read or generated if ``cfg.model`` is a classical model, which has nothing to train."""
    if str(cfg.model._target_).startswith("explainsal.classical."):
        require_trainable(instantiate(cfg.model))


def build_trainer(cfg: DictConfig, loggers: Sequence[Logger]) -> Trainer:
    """Build the trainer of ``cfg.trainer`` with ``cfg.callbacks``; without a logger, learning rates are not logged."""
    callbacks = [*build_group(cfg.get("callbacks")).values(), *logger_callbacks(loggers), StopOnSignal()]
    if not loggers:
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    options: dict[str, Any] = {"callbacks": callbacks, "logger": loggers}
    if cfg.trainer.get("sync_batchnorm") and choose_cfg_device(cfg).type != "cuda":
        log.warning(
            "PyTorch shares batch statistics only between GPUs: batch normalization uses each process's own batch"
        )
        options["sync_batchnorm"] = False
    return cast(Trainer, instantiate(cfg.trainer, **options))
