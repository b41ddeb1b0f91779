"""Build the options of a distillation from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from explainsal.app.build import build_group
from explainsal.app.options import is_count
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.distillation import DistillOptions, RefineOptions
from explainsal.errors import UserError
from explainsal.explanation.presets import as_bank
from explainsal.workflows.distilling import FitOptions, check_null_model


def build_sets(cfg: DictConfig) -> dict[str, SaliencyDataModule]:
    """Build the data modules of ``cfg.data`` and ``cfg.extra_data`` by name, and prepare them."""
    sets = build_group({"data": cfg.data} | dict(cfg.extra_data or {}))
    for datamodule in sets.values():
        datamodule.prepare_data()
    return sets


def build_fit_options(cfg: DictConfig) -> FitOptions:
    """Build the options of ``explainsal.distill``.

    Raises:
        UserError: If an option is out of range.
    """
    check_null_model(cfg.null_model)
    if cfg.images is not None and not is_count(cfg.images):
        raise UserError(f"images={cfg.images}: give a number from 1, or null for all images")
    if cfg.input_size is not None and not (OmegaConf.is_list(cfg.input_size) and len(cfg.input_size) == 2):
        raise UserError(f"input_size={cfg.input_size}: give height and width in pixels, input_size=[96,128]")
    return FitOptions(
        stages=build_distill_options(cfg),
        refinement=build_refine_options(cfg),
        images=cfg.images,
        input_size=None if cfg.input_size is None else list(cfg.input_size),
        batch_size=cfg.batch_size,
        resume=None if cfg.resume is None else Path(cfg.resume),
        seed=cfg.seed,
    )


def build_distill_options(cfg: DictConfig) -> DistillOptions:
    """Build the options of the stages from ``cfg.distill`` over the defaults.

    The null model ``shuffled_filters`` gets a shuffled bank.
    """
    given = _given(cfg.distill)
    if "bank" in given or cfg.null_model == "shuffled_filters":
        bank = as_bank(given.pop("bank", {}), DistillOptions().bank)
        given["bank"] = bank.shuffled(cfg.seed) if cfg.null_model == "shuffled_filters" else bank
    if isinstance(given.get("layers"), list):
        given["layers"] = tuple(given["layers"])
    return _checked(DistillOptions, given)


def build_refine_options(cfg: DictConfig) -> RefineOptions:
    """Build the options of the refinement from ``cfg.refine``, the run's seed and the fit's sign constraint."""
    nonnegative = bool(cfg.distill.nonnegative)
    return _checked(RefineOptions, {**_given(cfg.refine), "seed": cfg.seed, "nonnegative": nonnegative})


def _given(node: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if value is not None}


def _checked(cls: type, values: dict[str, Any]) -> Any:
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
