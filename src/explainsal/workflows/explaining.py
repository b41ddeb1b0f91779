"""Explain a network on pictures without fixations; imports no Lightning, which takes longer than explaining a photo."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencySample
from explainsal.distillation import Standalone
from explainsal.errors import UserError
from explainsal.explanation import Explanation
from explainsal.explanation.presets import DEFAULT_PRESET
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.metrics import cc
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import DEEP
from explainsal.processes import first_only
from explainsal.reporting.figures.filters import trend_text
from explainsal.reporting.results.files import write_gallery
from explainsal.reporting.run_folder import GalleryImage
from explainsal.reporting.submissions.writing import write_map
from explainsal.reporting.usage import bandwidth_trend, filter_usage
from explainsal.types import DensityMap
from explainsal.workflows.loading import describe, description
from explainsal.workflows.null_models import check_nulls, write_nulls
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.runs import RunFolder, describe_data
from explainsal.workflows.standalone import explain_standalone


def explain(
    model: SaliencyModel,
    dataset: SaliencyDataset,
    run: RunFolder,
    options: EvaluationOptions,
    explaining: ExplanationRun,
) -> Path:
    """Explain a network on pictures without fixations, and write the report.

    Args:
        model: The network; a standalone model is its own explanation.

    Returns:
        The output folder.

    Raises:
        UserError: If null models, a preset or its options are given for a standalone model.
    """
    if isinstance(model.net, Standalone):
        if explaining.preset != DEFAULT_PRESET or explaining.changes:
            raise UserError("a standalone model is its own explanation: leave out explainer=... and bank=...")
        return explain_standalone(model, dataset, run, options)
    check_nulls(options.nulls, model=model)
    record_evaluation(run, describe(model), dataset, options, [explaining])
    explain_pictures(run.folder, model, dataset, explaining, device=options.device)
    write_explanation_nulls(model, dataset, [explaining], options)
    print_usage(explaining)
    run.finish(figures=False)  # writing figures takes longer than explaining a photo
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
    """
    if device is not None:
        model.to(device)
    count = int(min(explaining.limit, len(dataset)))
    together = explaining.explainer_for(model).side_by_side
    for start in range(0, count, together):
        samples = [dataset[index] for index in range(start, min(start + together, count))]
        numbers = str(start + 1) if len(samples) == 1 else f"{start + 1} to {start + len(samples)}"
        title = f"{numbers} of {count}: {', '.join(sample.id for sample in samples)}"
        for sample, explanation in zip(samples, _explain_visibly(model, samples, explaining, title), strict=True):
            print(f"{sample.id}: {agreement(explanation.explainable_map[:, 0], explanation.saliency_map[:, 0])}")
            explaining.add(explanation, [sample.id], coefficients=True)
            _write_picture(output, sample, explanation, explaining.name, model)
    explaining.save()
    print(f"maps: {output / 'maps'}")


def _write_picture(
    output: Path, sample: SaliencySample, explanation: Explanation, name: str, model: SaliencyModel
) -> None:
    """Write the maps of a picture as PNG, and its entry of the report's gallery."""
    maps = {DEEP: explanation.saliency_map[0, 0], name: explanation.explainable_map[0, 0].clamp(min=0)}
    write_gallery(output, gallery_image(sample, maps, model))
    for kind, values in zip(("deep", "explainable"), maps.values(), strict=True):
        write_map(output / "maps" / f"{sample.id}_{kind}.png", values.cpu().numpy(), description(model))


def record_evaluation(
    run: RunFolder,
    model: dict[str, Any],
    dataset: SaliencyDataset,
    options: EvaluationOptions,
    explanations: Sequence[ExplanationRun] = (),
) -> None:
    """Write the manifest of a run that evaluates or explains; `model` as `describe` returns it."""
    presets = {explanation.preset: explanation.changes for explanation in explanations}
    run.record(model, data=describe_data(dataset), presets=presets, nulls=list(options.nulls))


def write_explanation_nulls(
    model: nn.Module, dataset: SaliencyDataset, explanations: Sequence[ExplanationRun], options: EvaluationOptions
) -> None:
    """Write the null models of the options for every explanation."""
    limit, seed, device = options.explain_images, options.seed, options.device
    write_nulls(options.nulls, model, dataset, explanations, limit=limit, seed=seed, device=device)


def gallery_image(sample: SaliencySample, maps: dict[str, Tensor], model: nn.Module) -> GalleryImage:
    """Return one picture with its ground truth, if any, and maps ``(H, W)`` by name."""
    arrays = {name: values.cpu().numpy() for name, values in maps.items()}
    return GalleryImage(sample.id, sample.image, sample.density, sample.fixations, arrays, description(model))


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
    model: SaliencyModel, samples: Sequence[SaliencySample], explaining: ExplanationRun, title: str
) -> list[Explanation]:
    """Explain pictures side by side, with a progress bar over their layers."""
    images = [torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0) for sample in samples]
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TextColumn("layers"), TimeRemainingColumn())
    with Progress(*columns) as bar:
        show = partial(_show, bar, bar.add_task(title, total=None))
        return explaining.explain_each(model, images, keep_maps=explaining.maps_per_layer, progress=show)


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


@first_only
def print_usage(explaining: ExplanationRun) -> None:
    """Print whether the bandwidth of the filters grows with depth, as the paper states (Section IV)."""
    path = explaining.folder / "coefficients.parquet"
    if not path.exists():
        return
    usage = filter_usage(pd.read_parquet(path))
    if not usage.mean_bandwidth.empty:
        print(f"filters: {trend_text(bandwidth_trend(usage))}")
