"""Build the options of evaluations and explanations from a configuration."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig

from explainsal.app.build import choose_cfg_device, trainer_factory
from explainsal.errors import UserError
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.postprocessing import PostprocessingOptions


def build_evaluation(cfg: DictConfig, *, explains: bool = True) -> EvaluationOptions:
    """Build the options of an evaluation.

    Args:
        explains: Whether the command explains any image.

    Raises:
        UserError: If the number of images to explain is below 1, a name is unknown, or a null model is given while
            nothing is explained.
    """
    options = cfg.evaluation
    require_list("nulls", cfg.nulls)
    for name in ("baselines", "extra_metrics", "profiles", "presets"):
        require_list(f"evaluation.{name}", options[name])
    check_nulls(cfg.nulls, explains=explains)
    if options.explain_images is not None and not is_count(options.explain_images):
        raise UserError(
            f"evaluation.explain_images={options.explain_images}: give a number from 1, or null for all images; "
            "evaluation.presets=[] explains nothing"
        )
    return EvaluationOptions(
        profile=cfg.metrics.profile,
        profiles=list(options.profiles),
        extra_metrics=list(options.extra_metrics),
        baselines=list(options.baselines),
        explain_images=options.explain_images,
        gallery=options.gallery,
        nulls=list(cfg.nulls),
        postprocessing=build_postprocessing(cfg),
        seed=cfg.seed,
        make_trainer=trainer_factory(cfg),
        device=choose_cfg_device(cfg),
    )


def require_list(name: str, value: Any) -> None:
    """Raise if an option that takes a list has a single value, whose letters would be taken for the entries."""
    if isinstance(value, str | int | float):
        raise UserError(f"{name}={value}: this option is a list: {name}=[{value}]")


def is_count(value: Any) -> bool:
    """Return whether an option is a whole number from 1."""
    return isinstance(value, int) and value >= 1


def build_postprocessing(cfg: DictConfig) -> PostprocessingOptions:
    """Build the options of ``cfg.postprocessing``; without it no step is applied."""
    options = cfg.get("postprocessing")
    if options is None:
        return PostprocessingOptions()
    if isinstance(options.blur, str):
        raise UserError(f"postprocessing.blur={options.blur}: give a standard deviation in pixels, or null")
    return PostprocessingOptions(options.blur, bool(options.center_bias), bool(options.histogram))
