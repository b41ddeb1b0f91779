"""Train a saliency network, then evaluate and explain its best checkpoint: ``python -m explainsal.train``."""

from __future__ import annotations

from pathlib import Path

import lightning
from hydra.utils import instantiate
from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.states import TrainerStatus
from omegaconf import DictConfig

from explainsal.app.record import write_record
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.domains import DomainsDataModule
from explainsal.datamodules.fit import FitDataModule
from explainsal.errors import MissingFilesError, UserError
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import TRAINED_HERE
from explainsal.models.unisal_parts import DOMAINS
from explainsal.tracking.loggers import callbacks_of, log_config, tracked
from explainsal.workflows.evaluation import evaluate_model, explainers_of, finish_run
from explainsal.workflows.loading import describe, load_model, model_name
from explainsal.workflows.null_models import check_nulls


@tracked
def train(cfg: DictConfig, loggers: list[Logger]) -> dict[str, float]:
    """Fit, evaluate, explain and report as `cfg` says.

    Returns:
        The last values of everything logged during training, e.g. ``val/cc``: what a sweep optimises.
    """
    check_nulls(cfg, explains=not cfg.evaluate or bool(cfg.evaluation.presets))
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    output = Path(cfg.paths.output)
    datamodule = instantiate(cfg.data)
    training_data = data_of(cfg, datamodule)
    training_data.prepare_data()  # a missing data set ends the run here, before any network is built
    if cfg.resume is not None and not Path(cfg.resume).is_file():
        raise MissingFilesError(f"resume={cfg.resume}: no such checkpoint")
    model = instantiate(cfg.model)
    if not isinstance(model, SaliencyModel):
        raise UserError(f"{model_name(model)} has no weights to train: evaluate it, or train a network (model=cmrnet)")
    check_nulls(cfg, model=model)
    module = instantiate(cfg.module, model=model)
    trains = any(parameter.requires_grad for parameter in module.parameters())  # a frozen network stays what it is
    write_record(output, cfg, model=describe(model) | ({"weights": TRAINED_HERE} if trains else {}))
    log_config(loggers, cfg)
    callbacks = [*instantiate(cfg.callbacks).values(), *callbacks_of(loggers)]
    trainer = instantiate(cfg.trainer, callbacks=callbacks, logger=loggers)
    fit(trainer, module, training_data, resume=cfg.resume)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if cfg.evaluate:
        tested = load_model(output / "checkpoints" / "best.ckpt") if trains else model.eval()
        evaluate_model(cfg, tested, datamodule, explainers_of(cfg))
    finish_run(cfg, loggers)
    return metrics


def data_of(cfg: DictConfig, datamodule: SaliencyDataModule) -> LightningDataModule:
    """What is trained on: ``cfg.data``, alone, as ``cfg.fit`` says, or with ``cfg.domains`` beside it.

    Raises:
        UserError: If the network has no domains, or not these, or ``cfg.fit`` lacks a size.
    """
    if cfg.fit.size is not None or cfg.fit.beside or cfg.fit.teacher is not None:
        return fit_data(cfg, datamodule)
    if not cfg.domains:
        return datamodule
    own = cfg.model.get("domain")
    if own is None:
        raise UserError("domains=... are for a network with parts by domain: model=unisal")
    if wrong := [name for name in cfg.domains if name not in DOMAINS or name == own]:
        raise UserError(
            f"domains.{wrong[0]}: choose one of {', '.join(d for d in DOMAINS if d != own)}; data=... is in {own}"
        )
    return DomainsDataModule({own: datamodule, **{name: instantiate(node) for name, node in cfg.domains.items()}})


def fit_data(cfg: DictConfig, datamodule: SaliencyDataModule) -> FitDataModule:
    """The training splits of ``cfg.data`` and ``cfg.fit.beside`` at one small size, a teacher's share in the targets.

    Raises:
        UserError: If there is no size, there are domains as well, or the teacher is no network.
    """
    if cfg.fit.size is None:
        raise UserError("fit.beside and fit.teacher need fit.size=[HEIGHT,WIDTH]: training images are shrunk to it")
    if cfg.domains:
        raise UserError("fit.size mixes data sets in every batch, domains=... keeps them apart: leave one out")
    teacher = instantiate(cfg.fit.teacher) if cfg.fit.teacher is not None and cfg.fit.share else None
    if teacher is not None and not isinstance(teacher, SaliencyModel):
        raise UserError(f"fit.teacher={model_name(teacher)} is no network: choose one, e.g. +model@fit.teacher=unisal")
    beside = {name: instantiate(node) for name, node in cfg.fit.beside.items()}
    own = {"data": datamodule}
    return FitDataModule(own | beside, size=cfg.fit.size, teacher=teacher, share=cfg.fit.share)


def fit(trainer: Trainer, module: LightningModule, datamodule: LightningDataModule, *, resume: str | None) -> None:
    """Fit; Ctrl-C comes out as KeyboardInterrupt, after the checkpoint is written."""
    try:
        trainer.fit(module, datamodule=datamodule, ckpt_path=resume, weights_only=True)
    except SystemExit as stop:  # Lightning turns Ctrl-C into exit code 1
        if trainer.state.status == TrainerStatus.INTERRUPTED:
            raise KeyboardInterrupt from stop
        raise
