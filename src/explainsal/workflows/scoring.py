"""Run the test loop of all evaluations: one row of metrics per model and image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from lightning import Trainer
from lightning.pytorch.callbacks import RichProgressBar

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.callbacks.stopping import StopOnSignal, interrupts
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.metrics import Nonfixations
from explainsal.metrics import SaliencyMetrics, get_profile
from explainsal.metrics.scoring import AGAINST_DENSITY
from explainsal.modules.evaluation import EvaluationModule
from explainsal.workflows.baselines import information_gain_baseline, read_fixations
from explainsal.workflows.options import EvaluationOptions


def prepare_metrics(
    options: EvaluationOptions, datamodule: SaliencyDataModule
) -> tuple[Callable[..., SaliencyMetrics], str]:
    """Return a factory of metrics for the evaluated images, and the name of the baseline of information gain.

    Raises:
        UserError: If the images have no ground truth.
    """
    profile, dataset = get_profile(options.profile), datamodule.dataset(datamodule.eval_split)
    if not (dataset.has_fixations or dataset.has_density):
        raise UserError(
            f"{dataset.name} has neither fixations nor densities, so nothing can be scored; see docs/train.md"
        )
    center_bias, gain_over = information_gain_baseline(datamodule)
    names = (*profile.metrics, *options.extra_metrics)
    if not dataset.fixated_images:  # only densities are available
        names = tuple(name for name in names if name in AGAINST_DENSITY)
    new_metrics = partial(
        SaliencyMetrics,
        profile=replace(profile, metrics=names),
        # the non-fixations of an image are the fixations of all others: one pool for all models
        nonfixations=Nonfixations(*read_fixations(dataset)) if dataset.fixated_images else None,
        center_bias=center_bias,
    )
    return new_metrics, gain_over


def score_images(
    options: EvaluationOptions,
    module: EvaluationModule,
    datamodule: SaliencyDataModule,
    explanations: Sequence[ExplanationRun] = (),
) -> tuple[Trainer, pd.DataFrame]:
    """Run the test loop.

    Returns:
        The trainer, and one row per model and image with model, id, index, fixations and the metrics; the same in every
        process.
    """
    # scores are computed in float32, whatever the training precision
    every = [*map(LogGaborReconstruction, explanations), RichProgressBar(), StopOnSignal()]
    make = options.make_trainer or partial(Trainer, devices=1)
    trainer = make(precision="32-true", logger=False, callbacks=every)
    with interrupts():
        trainer.test(module, dataloaders=datamodule.test_dataloader(), verbose=False)
    return trainer, with_ids(module.per_image(), datamodule.dataset(datamodule.eval_split))


def with_ids(per_image: pd.DataFrame, dataset: SaliencyDataset) -> pd.DataFrame:
    """Add each image's id and its number of fixations."""
    points = dataset.all_fixations()[0] if dataset.has_fixations else [()] * len(dataset)
    per_image.insert(1, "id", [dataset.ids[index] for index in per_image["index"]])
    per_image.insert(3, "fixations", [len(points[index]) for index in per_image["index"]])
    return per_image


def describe_protocol(profile: str, dataset: SaliencyDataset, gain_over: str) -> dict[str, object]:
    """Describe the protocol of the scores, as columns of a results table."""
    sigma = "as published" if dataset.density_sigma is None else dataset.density_sigma
    return {
        "profile": profile,
        "data": dataset.name,
        "split": dataset.split,
        "release": dataset.release,
        "density_sigma": sigma,
        "ig_baseline": gain_over,
    }
