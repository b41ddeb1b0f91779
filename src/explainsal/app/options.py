"""Build the option objects of the workflows from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from explainsal.app.build import choose_cfg_device, trainer_factory
from explainsal.errors import UserError
from explainsal.reporting.submissions.form import Submission
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.paper_tables.options import TableOptions
from explainsal.workflows.postprocessing import PostprocessingOptions
from explainsal.workflows.prediction import PredictionOptions
from explainsal.workflows.preparation import FetchOptions
from explainsal.workflows.submissions import SubmissionOptions


def build_evaluation(cfg: DictConfig, *, explains: bool = True) -> EvaluationOptions:
    """Build the options of an evaluation.

    Args:
        cfg: The options of the command.
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


def build_submission(cfg: DictConfig) -> SubmissionOptions | None:
    """Build the options of ``cfg.submission``, if there are any.

    Raises:
        UserError: If the options do not fit together for this benchmark.
    """
    options = cfg.get("submission")
    if options is None:
        return None
    try:
        form = Submission(options.benchmark, options.kind, options.file, bool(options.zip))
    except ValueError as error:
        raise UserError(f"submission: {error}") from None
    place = None if options.to is None else Path(options.to)
    return SubmissionOptions(form, place, options.density, float(options.uniform), bool(options.partial))


def build_prediction(cfg: DictConfig) -> PredictionOptions:
    """Build the options of ``explainsal.predict``.

    Raises:
        UserError: If options exclude each other.
    """
    model = cast("dict[str, Any]", OmegaConf.to_container(cfg.model, resolve=True)) if cfg.get("model") else {}
    return PredictionOptions(
        outputs=Path(cfg.paths.outputs),
        to=None if cfg.to is None else Path(cfg.to),
        format=cfg.format,
        video=cfg.video,
        postprocessing=build_postprocessing(cfg),
        submission=build_submission(cfg),
        model_options={key: value for key, value in model.items() if key != "weights"},
        device=choose_cfg_device(cfg),
    )


def build_fetching(cfg: DictConfig) -> FetchOptions:
    """Build the options of ``explainsal.prepare`` that concern downloads."""
    return FetchOptions(download=cfg.download, mirror=cfg.mirror, verify=cfg.verify)


def build_table(cfg: DictConfig) -> TableOptions:
    """Build the options of a table of the paper."""
    table = cfg.table
    return TableOptions(
        name=table.name,
        weights=dict(table.weights),
        weights_folder=Path(cfg.paths.weights),
        preset=table.preset,
        nulls=list(table.nulls),
        null_images=table.null_images,
        baselines=list(table.baselines),
        rows=None if table.rows is None else list(table.rows),
        explain_batch_size=cfg.evaluation.explain_batch_size,
        evaluation=build_evaluation(cfg),
        submission=build_submission(cfg),
    )
