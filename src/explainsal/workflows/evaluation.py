"""Compute the results table of a model, or of maps from another tool."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
import torch
from rich.progress import track
from torch import nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.predictions import Predictions
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.distillation import Standalone
from explainsal.explanation.per_layer import described
from explainsal.explanation.run import ExplanationRun
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.published import training_data_warning
from explainsal.models.saliency_model import DEEP
from explainsal.modules.evaluation import EvaluationModule
from explainsal.reporting.results.files import choose_gallery, summarize, write_gallery, write_results
from explainsal.reporting.results.printing import print_results
from explainsal.reporting.results.profiles import summarize_profiles
from explainsal.reporting.run_folder import GalleryImage
from explainsal.workflows.baselines import available, make_baselines, make_postprocessing
from explainsal.workflows.explaining import gallery_image, print_usage, record_evaluation, write_explanation_nulls
from explainsal.workflows.loading import describe, description, model_name
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.postprocessing import NONE, Postprocessing
from explainsal.workflows.runs import RunFolder
from explainsal.workflows.scoring import describe_protocol, prepare_metrics, score_images
from explainsal.workflows.stored_maps import StoredMaps

log = logging.getLogger(__name__)


def evaluate(
    model: nn.Module,
    datamodule: SaliencyDataModule,
    run: RunFolder,
    options: EvaluationOptions,
    explanations: Sequence[ExplanationRun] = (),
) -> pd.DataFrame:
    """Score a network with its explainable models, or a classical model, and write the report.

    Args:
        model: A network, or any module that maps images to saliency maps.
        datamodule: The data, prepared.
        explanations: One per explainable model; ignored for a classical or a standalone model.

    Returns:
        The results table, see `evaluate_model`.
    """
    explained = isinstance(model, SaliencyModel) and not isinstance(model.net, Standalone)
    check_nulls(options.nulls, explains=explained, model=model)
    explanations, name = (explanations, DEEP) if explained else ((), model_name(model))
    dataset = datamodule.dataset(datamodule.eval_split)
    record_evaluation(run, describe(model), dataset, options, explanations)
    results = evaluate_model(model, datamodule, run.folder, options, explanations, name)
    run.finish()
    return results


def explain(
    model: SaliencyModel,
    datamodule: SaliencyDataModule,
    run: RunFolder,
    options: EvaluationOptions,
    explaining: ExplanationRun,
) -> Path:
    """Explain a network on a data set with its scores, and write the report; arguments as of `evaluate`.

    Returns:
        The output folder.
    """
    check_nulls(options.nulls, model=model)
    record_evaluation(run, describe(model), datamodule.dataset(datamodule.eval_split), options, [explaining])
    evaluate_model(model, datamodule, run.folder, options, [explaining])
    print_usage(explaining)
    run.finish()
    return run.folder


def evaluate_predictions(
    path: str | Path, datamodule: SaliencyDataModule, run: RunFolder, options: EvaluationOptions
) -> pd.DataFrame:
    """Score maps from another tool, and write the report.

    Args:
        path: A folder or an HDF5 file of maps.
        datamodule: The data, prepared.
    """
    dataset = datamodule.dataset(datamodule.eval_split)
    predictions = Predictions(str(path), dataset.ids, dataset.sizes)
    checked = predictions.check(partial(track, description="checking the maps"))
    for line in checked.notes:
        print(f"predictions: {line}")
    record_evaluation(run, {"name": predictions.name, "weights": str(path)}, dataset, options)
    maps = StoredMaps(predictions, checked)
    results = evaluate_model(maps, datamodule, run.folder, options, [], predictions.name)
    run.finish()
    return results


def evaluate_model(
    model: nn.Module,
    datamodule: SaliencyDataModule,
    folder: Path,
    options: EvaluationOptions,
    explanations: Sequence[ExplanationRun] = (),
    name: str = DEEP,
) -> pd.DataFrame:
    """Score a model, its explainable models and the baselines, and write tables and gallery.

    Args:
        model: The model, listed in the table under `name`.
        datamodule: The data, prepared.
        explanations: One per explainable model; for networks only.
        name: ``deep`` for a network, otherwise the model's own name.

    Returns:
        The long results table, with one row per model and metric and bootstrap intervals; the same in every process.
    """
    datamodule.setup("test")
    dataset = datamodule.dataset(datamodule.eval_split)
    if warning := training_data_warning(getattr(model, "weights", None), datamodule.name, dataset.split):
        log.warning(warning)
    postprocessing = make_postprocessing(options.postprocessing, datamodule)
    new_metrics, gain_over = prepare_metrics(options, datamodule)
    module = _evaluation_module(name, model, datamodule, options, new_metrics, postprocessing, explanations)
    trainer, per_image = score_images(options, module, datamodule, explanations)
    origin = description(model)
    steps = ", ".join(step for step in (origin, postprocessing.description) if step not in ("", NONE)) or NONE
    labels = {name: steps, **{each.name: origin or NONE for each in explanations}}
    origins = {model: origin for model in labels if origin}
    per_image = described(per_image, origins)
    results = summarize(per_image, describe_protocol(options.profile, dataset, gain_over), labels, seed=options.seed)
    by_profile = module.per_image_by_profile()
    if trainer.is_global_zero:
        write_results(folder, per_image, results)
        if len(by_profile):
            every = pd.concat([per_image.assign(profile=options.profile), by_profile], ignore_index=True)
            profiles = summarize_profiles(every, seed=options.seed)
            described(profiles, origins).to_csv(folder / "profiles.csv", index=False)
        print_results(results)
        show_images(folder, options.gallery, module, dataset, explanations, per_image, name)
    write_explanation_nulls(model, dataset, explanations, options)
    return results


def _evaluation_module(
    name: str,
    model: nn.Module,
    datamodule: SaliencyDataModule,
    options: EvaluationOptions,
    new_metrics: Callable[..., SaliencyMetrics],
    postprocessing: Postprocessing,
    explanations: Sequence[ExplanationRun],
) -> EvaluationModule:
    """Build the module that scores the model, its explainable models and the baselines."""
    names = [baseline for baseline in options.baselines if baseline != name]
    baselines = make_baselines(available(names, datamodule), datamodule)
    return EvaluationModule(
        {name: model, **baselines.models},
        new_metrics,
        explainable=[each.name for each in explanations],
        postprocessing={name: postprocessing},
        gold_standard=baselines.gold_standard,
        by_profile={p: partial(new_metrics, profile=p) for p in options.profiles if p != options.profile},
    )


def show_images(
    folder: Path,
    count: int,
    module: EvaluationModule,
    dataset: SaliencyDataset,
    explanations: Sequence[ExplanationRun],
    per_image: pd.DataFrame,
    name: str,
) -> None:
    """Write the best, middle and worst images of a model with its maps and those of its explainable models."""
    explained = per_image[per_image["model"] == explanations[0].name]["index"] if explanations else per_image["index"]
    among = per_image[per_image["index"].isin(explained)]
    for index in track(choose_gallery(among, count, among=name), description="gallery"):
        write_gallery(folder, draw_maps(dataset[index], module, explanations, name))


def draw_maps(
    sample: SaliencySample, module: EvaluationModule, explanations: Sequence[ExplanationRun], name: str
) -> GalleryImage:
    """Return one image with the scored map of the model and the maps of its explainable models."""
    model = module.models[name]
    batch = SaliencyBatch.collate([sample]).to(next((p.device for p in model.parameters()), torch.device("cpu")))
    with torch.inference_mode():
        maps = {name: module.maps(name, batch.images, batch.index)}
    for each in explanations:
        known = each.maps.get(sample.index)
        explainable = each.explain(model, batch.images).explainable_map if known is None else known[None, None]
        maps[each.name] = explainable.clamp(min=0)
    return gallery_image(sample, {key: values[0, 0] for key, values in maps.items()}, model)
