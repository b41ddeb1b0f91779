"""The test loop that every evaluation shares: models over a data set, a row of metrics per model and image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd
from hydra.utils import instantiate
from lightning import Trainer
from lightning.pytorch.callbacks import RichProgressBar
from omegaconf import DictConfig

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.metrics import Nonfixations
from explainsal.metrics import SaliencyMetrics, get_profile
from explainsal.modules.evaluation import EvaluationModule
from explainsal.workflows.baselines import fixations_of, information_gain_baseline


def metrics_of(cfg: DictConfig, datamodule: SaliencyDataModule) -> tuple[Callable[..., SaliencyMetrics], str]:
    """What makes the metrics of ``cfg`` on the evaluated images, and what information gain is a gain over."""
    center_bias, gain_over = information_gain_baseline(datamodule)
    profile = get_profile(cfg.metrics.profile)
    new_metrics = partial(
        SaliencyMetrics,
        profile=replace(profile, metrics=(*profile.metrics, *cfg.evaluation.extra_metrics)),
        # the non-fixations of an image are the fixations of all others: one pool, shared by the models
        nonfixations=Nonfixations(*fixations_of(datamodule.dataset(datamodule.eval_split))),
        center_bias=center_bias,
    )
    return new_metrics, gain_over


def score_images(
    cfg: DictConfig, module: EvaluationModule, datamodule: SaliencyDataModule, runs: Sequence[ExplanationRun] = ()
) -> tuple[Trainer, pd.DataFrame]:
    """Run the test loop.

    Args:
        cfg: The command's options.
        module: Scores the models.
        datamodule: The data, prepared.
        runs: Explanations to make of the same images.

    Returns:
        The trainer, and a row per model and image: model, id, index, fixations, then the metrics; the same in every
        process.
    """
    # mixed precision is for training: the numbers in a table are computed in float32
    callbacks = [*map(LogGaborReconstruction, runs), RichProgressBar()]
    trainer = instantiate(cfg.trainer, precision="32-true", logger=False, callbacks=callbacks)
    trainer.test(module, dataloaders=datamodule.test_dataloader(), verbose=False)
    return trainer, with_ids(module.per_image(), datamodule.dataset(datamodule.eval_split))


def with_ids(per_image: pd.DataFrame, dataset: SaliencyDataset) -> pd.DataFrame:
    """Add each image's id and its number of fixations."""
    points, _ = dataset.all_fixations()
    per_image.insert(1, "id", [dataset.ids[index] for index in per_image["index"]])
    per_image.insert(3, "fixations", [len(points[index]) for index in per_image["index"]])
    return per_image


def protocol(cfg: DictConfig, dataset: SaliencyDataset, gain_over: str) -> dict[str, object]:
    """What stands beside every number."""
    sigma = "as published" if dataset.density_sigma is None else dataset.density_sigma
    return {
        "profile": cfg.metrics.profile,
        "data": dataset.name,
        "split": dataset.split,
        "release": dataset.release,
        "density_sigma": sigma,
        "ig_baseline": gain_over,
    }
