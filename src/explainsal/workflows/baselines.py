"""Baselines for the results table: classical models, center biases, the gold standard."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from explainsal.classical import MODELS, classical_model
from explainsal.classical.center_bias import CenterBias, LeaveOneOutCenterBias
from explainsal.classical.gold_standard import GOLD_STANDARD, GoldStandard
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.metrics.scoring import CenterBiasMap
from explainsal.workflows.options import LEARNED
from explainsal.workflows.postprocessing import Postprocessing, PostprocessingOptions, mean_quantiles

log = logging.getLogger(__name__)

_DENSITIES = 50  # number of training densities for the histogram


@dataclass(frozen=True)
class Baselines:
    """Baseline models by name, and the gold standard, which is scored per observer."""

    models: dict[str, nn.Module] = field(default_factory=dict)
    gold_standard: GoldStandard | None = None


def make_baselines(names: Iterable[str], datamodule: SaliencyDataModule) -> Baselines:
    """Build the named baselines for the evaluated images.

    Raises:
        UserError: If a name is unknown, or the data lack what a baseline needs.
    """
    models: dict[str, nn.Module] = {}
    gold = None
    for name in names:
        if name == GOLD_STANDARD:
            gold = gold_standard(datamodule.dataset(datamodule.eval_split))
        elif name == "center_bias":
            models[name] = learned_center_bias(datamodule)
        elif name == "center_bias_loo":
            models[name] = LeaveOneOutCenterBias(*read_fixations(datamodule.dataset(datamodule.eval_split)))
        elif name in MODELS:
            models[name] = classical_model(name)
        else:
            raise UserError(f"no baseline named {name!r}; choose among {', '.join((*LEARNED, *MODELS))}")
    return Baselines(models, gold)


def learned_center_bias(datamodule: SaliencyDataModule) -> CenterBias:
    """Fit the center bias, independent of the image, to the training fixations."""
    return CenterBias.fit(*read_fixations(datamodule.dataset(datamodule.fit_splits[0])))


def gold_standard(dataset: SaliencyDataset) -> GoldStandard:
    """Build the gold standard of a data set with known observers; its bandwidth is that of the densities.

    Raises:
        UserError: If the observers are unknown, or an image has fewer than two.
    """
    points, sizes = read_fixations(dataset)
    observers = [torch.from_numpy(o.astype(np.int64)) for o in dataset.observers()]
    try:
        return GoldStandard(points, observers, sizes, sigma=dataset.density_sigma or min(sizes[0]) * 0.04)
    except ValueError as error:
        raise UserError(f"{dataset.name} {dataset.split}: {error}; leave gold_standard out") from None


def has_separate_training_split(datamodule: SaliencyDataModule) -> bool:
    """Return whether a training split exists that does not contain the evaluated images."""
    train, tested = datamodule.fit_splits[0], datamodule.eval_split
    known = train in (*datamodule.parts, *datamodule.published)
    overlap = tested in (train, datamodule.whole) and not datamodule.parts
    return known and not overlap


def has_training_fixations(datamodule: SaliencyDataModule) -> bool:
    """Return whether a center bias can be learned from a training split without the evaluated images."""
    return has_separate_training_split(datamodule) and datamodule.dataset(datamodule.fit_splits[0]).fixated_images > 0


def available(names: Iterable[str], datamodule: SaliencyDataModule) -> list[str]:
    """Return the baselines that the data allow, with a replacement for a center bias without training fixations.

    The replacement is the center bias of the other evaluated images. With fewer than two fixated images, all learned
    baselines are dropped. A warning reports each change.
    """
    wanted = list(names)
    dataset = datamodule.dataset(datamodule.eval_split)
    enough = dataset.fixated_images > 1
    instead = {} if enough else dict.fromkeys(("center_bias_loo", GOLD_STANDARD))
    if not has_training_fixations(datamodule):
        instead["center_bias"] = "center_bias_loo" if enough else None
    for name in [name for name in wanted if name in instead]:
        outcome = f"using {instead[name]} (of the other evaluated images)" if instead[name] else "it is omitted"
        log.warning("%s: no fixations to learn %s from; %s", dataset.name, name, outcome)
    chosen = (instead.get(name, name) for name in wanted)
    return list(dict.fromkeys(name for name in chosen if name is not None))


def information_gain_baseline(datamodule: SaliencyDataModule) -> tuple[CenterBiasMap | None, str]:
    """Return the baseline density of information gain, and its description.

    The baseline is the center bias of the training split or, if no separate training split exists, that of all other
    evaluated images.
    """
    if has_training_fixations(datamodule):
        bias = learned_center_bias(datamodule)
        return lambda size, index: bias.density(size), "center bias of the training split"
    dataset = datamodule.dataset(datamodule.eval_split)
    if dataset.fixated_images < 2:
        return None, "none: fewer than two images with fixations"
    return LeaveOneOutCenterBias(*read_fixations(dataset)).density, "center bias of the other evaluated images"


def make_postprocessing(options: PostprocessingOptions, datamodule: SaliencyDataModule) -> Postprocessing:
    """Build the post-processing of maps, fitted to the training split only.

    Raises:
        UserError: If the data have no training fixations, or an option is out of range.
    """
    try:
        return Postprocessing(
            options.blur,
            learned_center_bias(datamodule) if options.center_bias else None,
            training_quantiles(datamodule) if options.histogram else None,
        )
    except ValueError as error:
        raise UserError(f"postprocessing: {error}") from None
    except UserError as error:
        raise UserError(f"postprocessing learns from a training split: {error}") from None


def training_quantiles(datamodule: SaliencyDataModule) -> Tensor:
    """Return the mean value distribution of at most 50 training densities, spread over the split."""
    dataset = datamodule.dataset(datamodule.fit_splits[0])
    chosen = np.unique(np.linspace(0, len(dataset) - 1, _DENSITIES).round().astype(int)).tolist()
    densities = [dataset[i].density for i in chosen]
    return mean_quantiles([torch.from_numpy(d) for d in densities if d is not None])


def read_fixations(dataset: SaliencyDataset) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """Return the fixations ``(N_i, 2)`` and the size (H, W) of every image."""
    points, sizes = dataset.all_fixations()
    return [torch.from_numpy(p) for p in points], sizes
