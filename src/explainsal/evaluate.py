"""The results table of a trained network, without retraining: ``python -m explainsal.evaluate checkpoint=...``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning
import pandas as pd
from hydra.utils import instantiate
from lightning.pytorch.callbacks import RichProgressBar
from omegaconf import DictConfig
from torch import nn

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.classical.center_bias import CenterBias
from explainsal.classical.chance import Chance
from explainsal.cli import command
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.functional.metrics import Nonfixations
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel, load_model
from explainsal.models.complexity import complexity
from explainsal.modules.evaluation import EvaluationModule
from explainsal.record import write_record
from explainsal.reporting.html import write_report
from explainsal.reporting.results import write_gallery, write_results
from explainsal.reporting.tables import print_results


def evaluate_model(cfg: DictConfig, model: SaliencyModel, datamodule: SaliencyDataModule) -> pd.DataFrame:
    """Score a network, its explainable models and the baselines, and write tables, gallery and report.

    Returns:
        The long results table: a row per model and metric, with bootstrap interval.
    """
    output = Path(cfg.paths.output)
    datamodule.setup("test")
    dataset = datamodule.dataset(datamodule.eval_split)
    module = EvaluationModule(
        {"deep": model, **baselines(datamodule)}, partial(new_metrics, cfg.metrics.profile, dataset)
    )
    explainers = [
        LogGaborReconstruction(preset, output / "explanation" / preset, limit=cfg.evaluation.explain_images)
        for preset in cfg.evaluation.presets
    ]
    # mixed precision is for training: the numbers in a table are computed in float32
    trainer = instantiate(cfg.trainer, precision="32-true", logger=False, callbacks=[*explainers, RichProgressBar()])
    trainer.test(module, dataloaders=datamodule.test_dataloader(), verbose=False)
    per_image = module.per_image()
    results = write_results(output, per_image, dataset=dataset, profile=cfg.metrics.profile, seed=cfg.seed)
    if trainer.is_global_zero:
        print_results(results)
        write_gallery(output, per_image, dataset, model, explainers, count=cfg.evaluation.gallery)
        print(f"report: {write_report(output)}")
    return results


def baselines(datamodule: SaliencyDataModule) -> dict[str, nn.Module]:
    """What every network has to beat: the centre bias learned from the training split, and chance."""
    points, sizes = datamodule.dataset(datamodule.fit_splits[0]).all_fixations()
    return {"center_bias": CenterBias.fit(points, sizes), "chance": Chance()}


def new_metrics(profile: str, dataset: SaliencyDataset) -> SaliencyMetrics:
    """Empty metrics for a data set; its images' fixations are each other's non-fixations."""
    return SaliencyMetrics(profile=profile, nonfixations=Nonfixations(*dataset.all_fixations()))


def evaluate(cfg: DictConfig) -> pd.DataFrame:
    """Evaluate the network in ``cfg.checkpoint`` on ``cfg.data``."""
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    datamodule = instantiate(cfg.data)
    datamodule.prepare_data()
    model = load_model(cfg.checkpoint)
    write_record(Path(cfg.paths.output), cfg, model=describe(model, str(cfg.checkpoint)))
    results = evaluate_model(cfg, model, datamodule)
    write_record(Path(cfg.paths.output), cfg)
    return results


def describe(model: SaliencyModel, weights: str) -> dict[str, Any]:
    """What a run's record says of its network."""
    size = complexity(model.net, model.input_size or (320, 480))
    return {
        "name": model.name,
        "parameters": size.parameters,
        "macs": size.macs,
        "input_size": model.input_size,
        "weights": weights,
    }


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    evaluate(cfg)


if __name__ == "__main__":
    main()
