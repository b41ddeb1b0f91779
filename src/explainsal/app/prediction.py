"""Build the options of predictions and submissions from a configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from omegaconf import DictConfig, OmegaConf

from explainsal.app.build import choose_cfg_device
from explainsal.app.options import build_postprocessing
from explainsal.errors import UserError
from explainsal.reporting.submissions.form import Submission
from explainsal.workflows.prediction import PredictionOptions
from explainsal.workflows.submissions import SubmissionOptions


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
