"""Build the training data of a network from a configuration."""

from __future__ import annotations

from pathlib import Path

from hydra.utils import instantiate
from lightning import LightningDataModule
from omegaconf import DictConfig

from explainsal.app.build import build_group, choose_cfg_device
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.domains import DomainsDataModule
from explainsal.datamodules.fit import FitDataModule
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.unisal_parts import DOMAINS
from explainsal.workflows.loading import model_name
from explainsal.workflows.resuming import read_checkpoint


def build_training_data(cfg: DictConfig, datamodule: SaliencyDataModule) -> LightningDataModule:
    """Build the training data: ``cfg.data`` alone, with the options of ``cfg.fit``, or with further ``cfg.domains``.

    Raises:
        UserError: If the network has no such domains, or ``cfg.fit`` lacks a size.
    """
    if cfg.fit.size is not None or cfg.fit.extra_data or cfg.fit.teacher is not None:
        return build_fit_data(cfg, datamodule)
    if not cfg.domains:
        return datamodule
    own = cfg.model.get("domain")
    if own is None:
        raise UserError("domains=... needs a network with parts for each domain: model=unisal")
    if wrong := [name for name in cfg.domains if name not in DOMAINS or name == own]:
        raise UserError(
            f"domains.{wrong[0]}: choose one of {', '.join(d for d in DOMAINS if d != own)}; data=... is in {own}"
        )
    return DomainsDataModule({own: datamodule, **build_group(cfg.domains)})


def build_fit_data(cfg: DictConfig, datamodule: SaliencyDataModule) -> FitDataModule:
    """Build the training splits of ``cfg.data`` and ``cfg.fit.extra_data`` at one small size, with a teacher's maps.

    Raises:
        UserError: If the size is missing, domains are given as well, or the teacher is not a network.
    """
    if cfg.fit.size is None:
        raise UserError("fit.extra_data and fit.teacher need fit.size=[HEIGHT,WIDTH]: training images are shrunk to it")
    if cfg.domains:
        raise UserError("fit.size mixes data sets in every batch, but domains=... separates them: leave one out")
    teacher = instantiate(cfg.fit.teacher) if cfg.fit.teacher is not None and cfg.fit.share else None
    if teacher is not None and not isinstance(teacher, SaliencyModel):
        raise UserError(
            f"fit.teacher={model_name(teacher)} is not a network: choose one, e.g. +model@fit.teacher=unisal"
        )
    sets = {"data": datamodule} | build_group(cfg.fit.extra_data)
    return FitDataModule(
        sets,
        size=cfg.fit.size,
        teacher=teacher,
        share=cfg.fit.share,
        relabel=cfg.fit.relabel,
        device=choose_cfg_device(cfg),
    )


def check_resume(cfg: DictConfig) -> None:
    """Raise a UserError if the checkpoint to resume does not exist, is damaged, or holds no training state."""
    if cfg.resume is not None:
        read_checkpoint(Path(cfg.resume))
