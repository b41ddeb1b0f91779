"""The results table of a trained network, without retraining: ``python -m explainsal.evaluate checkpoint=...``."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import lightning
import pandas as pd
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import RichProgressBar
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig
from rich.progress import track
from torch import Tensor, nn

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.classical import classical_model
from explainsal.classical.center_bias import CenterBias
from explainsal.cli import command
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.functional.metrics import Nonfixations
from explainsal.loading import describe, model_of, weights_of
from explainsal.metrics import SaliencyMetrics
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.record import write_record
from explainsal.reporting.html import write_report
from explainsal.reporting.results import choose_gallery, write_gallery, write_results
from explainsal.reporting.run_figures import write_figures
from explainsal.reporting.run_folder import GalleryImage
from explainsal.reporting.tables import print_results


def evaluate_model(
    cfg: DictConfig, model: nn.Module, datamodule: SaliencyDataModule, explainers: list[LogGaborReconstruction]
) -> pd.DataFrame:
    """Score a network, its explainable models and the baselines, and write tables and gallery.

    Returns:
        The long results table: a row per model and metric, with bootstrap interval.
    """
    output = Path(cfg.paths.output)
    datamodule.setup("test")
    dataset = datamodule.dataset(datamodule.eval_split)
    module = EvaluationModule(
        {DEEP: model, **baselines(cfg.evaluation.baselines, datamodule)},
        # the non-fixations of an image are the fixations of all others: one pool, shared by the models
        partial(SaliencyMetrics, profile=cfg.metrics.profile, nonfixations=Nonfixations(*fixations_of(dataset))),
        explainable=[explainer.name for explainer in explainers],
    )
    # mixed precision is for training: the numbers in a table are computed in float32
    trainer = instantiate(cfg.trainer, precision="32-true", logger=False, callbacks=[*explainers, RichProgressBar()])
    trainer.test(module, dataloaders=datamodule.test_dataloader(), verbose=False)
    per_image = with_ids(module.per_image(), dataset)
    if not trainer.is_global_zero:
        return per_image
    results = write_results(output, per_image, protocol(cfg.metrics.profile, dataset), seed=cfg.seed)
    print_results(results)
    explained = per_image[per_image["model"] == explainers[0].name]["index"] if explainers else per_image["index"]
    shown = choose_gallery(per_image[per_image["index"].isin(explained)], cfg.evaluation.gallery)
    for index in track(shown, description="gallery"):
        write_gallery(output, draw_maps(dataset[index], model, explainers))
    return results


@rank_zero_only
def finish_run(cfg: DictConfig) -> None:
    """Complete the record, draw the figures, write the report, and say where it is."""
    output = Path(cfg.paths.output)
    write_record(output, cfg)
    write_figures(output)
    print(f"report: {write_report(output)}")


def explainers_of(cfg: DictConfig) -> list[LogGaborReconstruction]:
    """One callback per preset in ``cfg.evaluation.presets``."""
    return [
        LogGaborReconstruction(
            preset,
            Path(cfg.paths.output) / "explanation" / preset,
            limit=cfg.evaluation.explain_images,
            batch_size=cfg.evaluation.explain_batch_size,
        )
        for preset in cfg.evaluation.presets
    ]


def draw_maps(sample: SaliencySample, model: nn.Module, explainers: list[LogGaborReconstruction]) -> GalleryImage:
    """One image with the maps of the network and of its explainable models."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    images = SaliencyBatch.collate([sample]).images.to(device)
    with torch.inference_mode():
        maps = {DEEP: model(images)}
    for explainer in explainers:
        known = explainer.maps.get(sample.index)
        explainable = explainer.explain(model, images).explainable_map if known is None else known[None, None]
        maps[explainer.name] = explainable.clamp(min=0)
    return gallery_image(sample, {name: values[0, 0] for name, values in maps.items()})


def gallery_image(sample: SaliencySample, maps: dict[str, Tensor]) -> GalleryImage:
    """One picture with its ground truth, if any, and maps ``(H, W)`` by model name."""
    arrays = {name: values.cpu().numpy() for name, values in maps.items()}
    return GalleryImage(sample.id, sample.image, sample.density, sample.fixations, arrays)


def with_ids(per_image: pd.DataFrame, dataset: SaliencyDataset) -> pd.DataFrame:
    """Add each image's id and its number of fixations."""
    points, _ = dataset.all_fixations()
    per_image.insert(1, "id", [dataset.ids[index] for index in per_image["index"]])
    per_image.insert(3, "fixations", [len(points[index]) for index in per_image["index"]])
    return per_image


def protocol(profile: str, dataset: SaliencyDataset) -> dict[str, object]:
    """What stands beside every number."""
    sigma = "as published" if dataset.density_sigma is None else dataset.density_sigma
    return {
        "profile": profile,
        "data": dataset.name,
        "split": dataset.split,
        "release": dataset.release,
        "density_sigma": sigma,
    }


def baselines(names: Iterable[str], datamodule: SaliencyDataModule) -> dict[str, nn.Module]:
    """What a network has to beat, by name: classical models, and the centre bias learned from the training split."""
    return {name: learned_center_bias(datamodule) if name == "center_bias" else classical_model(name) for name in names}


def learned_center_bias(datamodule: SaliencyDataModule) -> CenterBias:
    """Where people look in the training images, whatever they show."""
    return CenterBias.fit(*fixations_of(datamodule.dataset(datamodule.fit_splits[0])))


def fixations_of(dataset: SaliencyDataset) -> tuple[list[Tensor], list[tuple[int, int]]]:
    """The fixations ``(N_i, 2)`` and the size (H, W) of every image."""
    points, sizes = dataset.all_fixations()
    return [torch.from_numpy(p) for p in points], sizes


def evaluate(cfg: DictConfig) -> pd.DataFrame:
    """Evaluate the network in ``cfg.checkpoint`` on ``cfg.data``."""
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    datamodule = instantiate(cfg.data)
    datamodule.prepare_data()
    model = model_of(cfg)
    write_record(Path(cfg.paths.output), cfg, model=describe(model, weights_of(cfg)))
    results = evaluate_model(cfg, model, datamodule, explainers_of(cfg))
    finish_run(cfg)
    return results


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    evaluate(cfg)


if __name__ == "__main__":
    main()
