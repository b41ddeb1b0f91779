"""Build the options of evaluations and explanations from a configuration."""

from __future__ import annotations

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
        UserError: If the number of images to explain is below 1, or a null model is unknown or given while nothing is
            explained.
    """
    check_nulls(cfg.nulls, explains=explains)
    options = cfg.evaluation
    if options.explain_images is not None and options.explain_images < 1:
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


def build_postprocessing(cfg: DictConfig) -> PostprocessingOptions:
    """Build the options of ``cfg.postprocessing``; without it no step is applied."""
    options = cfg.get("postprocessing")
    if options is None:
        return PostprocessingOptions()
    return PostprocessingOptions(options.blur, bool(options.center_bias), bool(options.histogram))
