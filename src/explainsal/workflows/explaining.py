"""Explain a trained network on pictures, or on a data set with its scores."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
import torch
from lightning.pytorch.utilities import rank_zero_only
from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, track
from torch import Tensor

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.distillation import Standalone, attribute
from explainsal.distillation.attribution import BY
from explainsal.distillation.quality import attribution_table, write_tables
from explainsal.errors import UserError
from explainsal.explanation import Explanation
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.metrics import cc
from explainsal.models import SaliencyModel
from explainsal.modules.evaluation import DEEP
from explainsal.reporting.figures.attribution import PARTS, parts_figure
from explainsal.reporting.figures.filters import trend_text
from explainsal.reporting.figures.style import save_figure, styled
from explainsal.reporting.results.files import write_gallery
from explainsal.reporting.submissions.writing import write_map
from explainsal.reporting.usage import bandwidth_trend, filter_usage
from explainsal.types import DensityMap
from explainsal.workflows.evaluation import evaluate_model, gallery_image, record_evaluation, write_explanation_nulls
from explainsal.workflows.loading import describe, description
from explainsal.workflows.null_models import check_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.runs import RunFolder
from explainsal.workflows.scoring import describe_data


def explain(
    model: SaliencyModel,
    datamodule: SaliencyDataModule,
    run: RunFolder,
    options: EvaluationOptions,
    explaining: ExplanationRun,
) -> Path:
    """Explain a network on pictures, or on a data set with its scores, and write the report.

    Args:
        model: The network; a standalone model is its own explanation.
        datamodule: The data, prepared.
        run: The output folder.
        options: See `EvaluationOptions`.
        explaining: How to explain.

    Returns:
        The output folder.

    Raises:
        UserError: If null models are given for a standalone model.
    """
    if isinstance(model.net, Standalone):
        if options.nulls:
            raise UserError("a standalone model has no null models in `explain`: leave out nulls=...")
        return explain_standalone(model, datamodule, run, limit=options.explain_images)
    check_nulls(options.nulls, model=model)
    record_evaluation(run, describe(model), datamodule, options, [explaining])
    dataset = datamodule.dataset(datamodule.eval_split)
    scored = dataset.has_fixations
    if scored:
        evaluate_model(model, datamodule, run.folder, options, [explaining])
    else:
        explain_pictures(run.folder, model, dataset, explaining, device=options.device)
        write_explanation_nulls(model, dataset, [explaining], options)
    print_usage(explaining)
    run.finish(figures=scored)  # writing figures takes longer than explaining a photo
    if not scored:
        print(f"to write its figures as PNG and PDF: python -m explainsal.report run={run.folder}")
    return run.folder


def explain_pictures(
    output: Path,
    model: SaliencyModel,
    dataset: SaliencyDataset,
    explaining: ExplanationRun,
    *,
    device: torch.device | None = None,
) -> None:
    """Explain pictures without ground truth; write maps as PNG, and tables.

    Args:
        output: Folder of maps and gallery; tables go into the folder of `explaining`.
        model: The network.
        dataset: The pictures.
        explaining: How to explain.
        device: Device; None: that of the model.
    """
    if device is not None:
        model.to(device)
    count = int(min(explaining.limit, len(dataset)))
    for index in range(count):
        sample = dataset[index]
        explanation = _explain_visibly(model, sample, explaining, f"{index + 1} of {count}: {sample.id}")
        deep, explainable = explanation.saliency_map[:, 0], explanation.explainable_map[:, 0]
        print(f"{sample.id}: {agreement(explainable, deep)}")
        explaining.add(explanation, [sample.id], coefficients=True)
        maps = {DEEP: deep[0], explaining.name: explainable[0].clamp(min=0)}
        write_gallery(output, gallery_image(sample, maps, model))
        for name, values in (("deep", maps[DEEP]), ("explainable", maps[explaining.name])):
            write_map(output / "maps" / f"{sample.id}_{name}.png", values.cpu().numpy(), description(model))
    explaining.save()
    print(f"maps: {output / 'maps'}")


def agreement(explainable: Tensor, deep: Tensor) -> str:
    """Describe how well an explainable map ``(1, H, W)`` agrees with the deep map.

    Example:
        >>> maps = torch.rand(1, 8, 8)
        >>> agreement(2 * maps, maps), agreement(maps, torch.zeros(1, 8, 8))
        ('CC of the explainable to the deep map 1.000', 'the deep map is constant, so its correlation is undefined')
    """
    value = cc(explainable, DensityMap(deep)).item()
    if math.isnan(value):
        return "the deep map is constant, so its correlation is undefined"
    return f"CC of the explainable to the deep map {value:.3f}"


def _explain_visibly(
    model: SaliencyModel, sample: SaliencySample, explaining: ExplanationRun, title: str
) -> Explanation:
    """Explain one picture, with a progress bar over its layers."""
    images = torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0)
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TextColumn("layers"), TimeRemainingColumn())
    with Progress(*columns) as bar:
        show = partial(_show, bar, bar.add_task(title, total=None))
        return explaining.explain(model, images, keep_maps=explaining.maps_per_layer, progress=show)


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


@rank_zero_only
def print_usage(explaining: ExplanationRun) -> None:
    """Print whether the bandwidth of the filters grows with depth, as the paper states (Section IV)."""
    path = explaining.folder / "coefficients.parquet"
    if not path.exists():
        return
    usage = filter_usage(pd.read_parquet(path))
    if not usage.mean_bandwidth.empty:
        print(f"filters: {trend_text(bandwidth_trend(usage))}")


def explain_standalone(
    model: SaliencyModel, datamodule: SaliencyDataModule, run: RunFolder, *, limit: int | None = None
) -> Path:
    """Decompose the maps of a standalone model exactly; the model is its own explanation."""
    output = run.folder
    net, dataset = cast(Standalone, model.net), datamodule.dataset(datamodule.eval_split)
    run.record(describe(model), data=describe_data(dataset))
    count = min(limit or len(dataset), len(dataset))
    tables = []
    for index in track(range(count), description="explaining"):
        sample = dataset[index]
        images = model.preprocess(torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0))
        for by in BY:
            parts = attribute(net, images, by)
            tables.append(attribution_table(parts, [sample.id], by))
            if by == "source":
                write_parts(output, sample, {name: part[0].cpu().numpy() for name, part in parts.items()})
        write_map(output / "maps" / f"{sample.id}.png", model(images)[0, 0].detach().cpu().numpy())
    pd.concat(tables).to_csv(output / "attribution.csv", index=False)
    write_tables(net, None, output / "explanation" / "standalone")
    print(
        f"maps that add up to each saliency map: {output / 'maps'}\nthe share of each map: {output / 'attribution.csv'}"
    )
    run.finish()
    return output


def write_parts(output: Path, sample: SaliencySample, parts: dict[str, np.ndarray]) -> None:
    """Write the maps that add up to one saliency map, as files and as a picture."""
    for name, part in parts.items():
        write_map(output / "maps" / f"{sample.id}_{name.replace('/', '-')}.npy", part)
    with styled():
        figure = parts_figure(sample.image, sum(parts.values(), start=np.zeros(())), parts)
        save_figure(figure, output / "figures", f"{PARTS}_{sample.id}")
