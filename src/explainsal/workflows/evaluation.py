"""The results table of a model or of maps made elsewhere: ``python -m explainsal.evaluate checkpoint=...``."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import lightning
import pandas as pd
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig
from rich.progress import track
from torch import Tensor, nn

from explainsal.app.record import write_record
from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.predictions import Predictions
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.explanation.tables import described
from explainsal.models import SaliencyModel
from explainsal.models.published import seen_warning
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.reporting.html import write_report
from explainsal.reporting.profiles import summarize_profiles
from explainsal.reporting.results import choose_gallery, summarize, write_gallery, write_results
from explainsal.reporting.run_figures import write_figures
from explainsal.reporting.run_folder import GalleryImage
from explainsal.reporting.tables import print_results
from explainsal.tracking.loggers import log_run, tracked
from explainsal.workflows.baselines import available, baselines_of, postprocessing_of
from explainsal.workflows.loading import describe, description, model_name, model_of
from explainsal.workflows.null_models import check_nulls, write_nulls
from explainsal.workflows.paper_tables.table import make_table
from explainsal.workflows.postprocessing import NONE
from explainsal.workflows.scoring import metrics_of, protocol, score_images
from explainsal.workflows.stored_maps import StoredMaps

log = logging.getLogger(__name__)


def evaluate_model(
    cfg: DictConfig,
    model: nn.Module,
    datamodule: SaliencyDataModule,
    explainers: list[LogGaborReconstruction],
    name: str = DEEP,
) -> pd.DataFrame:
    """Score a model, its explainable models and the baselines, and write tables and gallery.

    Args:
        cfg: The command's options.
        model: The model; `name` is what it is called in the table.
        datamodule: The data, prepared.
        explainers: One per explainable model; for a network only.
        name: ``deep`` for a network, else the model's own.

    Returns:
        The long results table, the same in every process: a row per model and metric, with bootstrap interval.
    """
    datamodule.setup("test")
    dataset = datamodule.dataset(datamodule.eval_split)
    if seen := seen_warning(getattr(model, "weights", None), datamodule.name, dataset.split):
        log.warning(seen)
    postprocessing = postprocessing_of(cfg, datamodule)
    new_metrics, gain_over = metrics_of(cfg, datamodule)
    names = [b for b in cfg.evaluation.baselines if b != name]
    beside = baselines_of(available(names, datamodule), datamodule)
    module = EvaluationModule(
        {name: model, **beside.models},
        new_metrics,
        explainable=[explainer.name for explainer in explainers],
        postprocessing={name: postprocessing},
        gold_standard=beside.gold_standard,
        by_profile={p: partial(new_metrics, profile=p) for p in cfg.evaluation.profiles if p != cfg.metrics.profile},
    )
    trainer, per_image = score_images(cfg, module, datamodule, explainers)
    origin = description(model)
    steps = ", ".join(step for step in (origin, postprocessing.description) if step not in ("", NONE)) or NONE
    said = {name: steps, **{explainer.name: origin or NONE for explainer in explainers}}
    marks = {model: origin for model in said if origin}
    per_image = described(per_image, marks)
    results = summarize(per_image, protocol(cfg, dataset, gain_over), said, seed=cfg.seed)
    others = module.per_image_by_profile()
    if trainer.is_global_zero:
        write_results(Path(cfg.paths.output), per_image, results)
        if len(others):
            every = pd.concat([per_image.assign(profile=cfg.metrics.profile), others], ignore_index=True)
            profiles = summarize_profiles(every, seed=cfg.seed)
            described(profiles, marks).to_csv(Path(cfg.paths.output) / "profiles.csv", index=False)
        print_results(results)
        show_images(cfg, module, dataset, explainers, per_image, name)
        write_nulls(cfg, model, dataset, explainers)
    return results


def show_images(
    cfg: DictConfig,
    module: EvaluationModule,
    dataset: SaliencyDataset,
    explainers: list[LogGaborReconstruction],
    per_image: pd.DataFrame,
    name: str,
) -> None:
    """Write the best, middle and worst images of the model, with its map and those of its explainable models."""
    explained = per_image[per_image["model"] == explainers[0].name]["index"] if explainers else per_image["index"]
    among = per_image[per_image["index"].isin(explained)]
    for index in track(choose_gallery(among, cfg.evaluation.gallery, among=name), description="gallery"):
        write_gallery(Path(cfg.paths.output), draw_maps(dataset[index], module, explainers, name))


@rank_zero_only
def finish_run(cfg: DictConfig, loggers: Sequence[Logger] = ()) -> None:
    """Complete the record, draw the figures, write the report, say where it is, and log all of it."""
    output = Path(cfg.paths.output)
    write_record(output, cfg)
    write_figures(output)
    print(f"report: {write_report(output)}")
    log_run(loggers, cfg)


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


def draw_maps(
    sample: SaliencySample, module: EvaluationModule, explainers: list[LogGaborReconstruction], name: str
) -> GalleryImage:
    """One image with the maps of the model, as they are scored, and of its explainable models."""
    model = module.models[name]
    batch = SaliencyBatch.collate([sample]).to(next((p.device for p in model.parameters()), torch.device("cpu")))
    with torch.inference_mode():
        maps = {name: module.maps(name, batch.images, batch.index)}
    for explainer in explainers:
        known = explainer.maps.get(sample.index)
        explainable = explainer.explain(model, batch.images).explainable_map if known is None else known[None, None]
        maps[explainer.name] = explainable.clamp(min=0)
    return gallery_image(sample, {key: values[0, 0] for key, values in maps.items()}, model)


def gallery_image(sample: SaliencySample, maps: dict[str, Tensor], model: nn.Module) -> GalleryImage:
    """One picture with its ground truth, if any, and maps ``(H, W)`` of a model, or beside it, by name."""
    arrays = {name: values.cpu().numpy() for name, values in maps.items()}
    return GalleryImage(sample.id, sample.image, sample.density, sample.fixations, arrays, description(model))


@tracked
def evaluate(cfg: DictConfig, loggers: list[Logger]) -> pd.DataFrame:
    """Evaluate a model, maps made elsewhere, or every row of a table of the paper on ``cfg.data``."""
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    tabled = cfg.predictions is not None or cfg.get("table") is not None
    check_nulls(cfg, explains=not tabled and bool(cfg.evaluation.presets))
    datamodule = instantiate(cfg.data)
    if cfg.get("table") is not None:
        return make_table(cfg, datamodule)
    datamodule.prepare_data()
    if cfg.predictions is not None:
        results = evaluate_predictions(cfg, datamodule)
    else:
        model = model_of(cfg)
        write_record(Path(cfg.paths.output), cfg, model=describe(model))
        network = isinstance(model, SaliencyModel)
        check_nulls(cfg, explains=network, model=model)
        name = DEEP if network else model_name(model)
        results = evaluate_model(cfg, model, datamodule, explainers_of(cfg) if network else [], name)
    finish_run(cfg, loggers)
    return results


def evaluate_predictions(cfg: DictConfig, datamodule: SaliencyDataModule) -> pd.DataFrame:
    """Score maps that another tool made: ``cfg.predictions`` is a folder or an HDF5 file of them."""
    if cfg.checkpoint is not None or cfg.get("model") is not None:
        raise UserError("predictions=... are scored as they are: leave out checkpoint=... and model=...")
    dataset = datamodule.dataset(datamodule.eval_split)
    predictions = Predictions(str(cfg.predictions), dataset.ids, dataset.sizes)
    checked = predictions.check(partial(track, description="checking the maps"))
    for line in checked.notes:
        print(f"predictions: {line}")
    write_record(Path(cfg.paths.output), cfg, model={"name": predictions.name, "weights": str(cfg.predictions)})
    return evaluate_model(cfg, StoredMaps(predictions, checked), datamodule, [], predictions.name)
