"""Explain a trained network: ``python -m explainsal.explain checkpoint=... image=photo.jpg`` (a folder, data=...)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import cast

import lightning
import numpy as np
import pandas as pd
import torch
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf
from rich.progress import MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn, track

from explainsal.app.record import write_record
from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencySample
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.distillation import Standalone, attribute
from explainsal.distillation.attribution import BY
from explainsal.distillation.quality import attribution_table, write_tables
from explainsal.errors import UserError
from explainsal.explanation import Explanation
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.tables import Tables
from explainsal.functional.metrics import cc
from explainsal.models import SaliencyModel
from explainsal.modules.evaluation import DEEP
from explainsal.reporting.figures.attribution import PARTS, parts_figure
from explainsal.reporting.figures.filters import trend_text
from explainsal.reporting.figures.style import save_figure, styled
from explainsal.reporting.results import write_gallery
from explainsal.reporting.submissions.writing import write_map
from explainsal.reporting.usage import bandwidth_trend, filter_usage
from explainsal.tracking.loggers import tracked
from explainsal.types import DensityMap
from explainsal.workflows.evaluation import evaluate_model, finish_run, gallery_image
from explainsal.workflows.loading import PACKAGED, describe, description, network_of
from explainsal.workflows.null_models import check_nulls, write_nulls


@tracked
def explain(cfg: DictConfig, loggers: list[Logger]) -> Path:
    """Explain the network in ``cfg.checkpoint`` on pictures, or on a data set with its scores; returns the folder."""
    check_nulls(cfg)
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    output = Path(cfg.paths.output)
    datamodule = instantiate(cfg.data)
    datamodule.prepare_data()
    model = network_of(cfg, PACKAGED)
    if isinstance(model.net, Standalone):
        if cfg.nulls:
            raise UserError("a standalone model has no null models in `explain`: leave out nulls=...")
        return explain_standalone(cfg, model, datamodule, loggers)
    check_nulls(cfg, model=model)
    write_record(output, cfg, model=describe(model))
    explainer = explainer_of(cfg)
    dataset = datamodule.dataset(datamodule.eval_split)
    if dataset.has_fixations:
        evaluate_model(cfg, model, datamodule, [explainer])
    else:
        explain_pictures(output, model, dataset, explainer)
        write_nulls(cfg, model, dataset, [explainer])
    print_usage(explainer)
    finish_run(cfg, loggers)
    return output


def explainer_of(cfg: DictConfig) -> LogGaborReconstruction:
    """The callback that explains with the preset and the single options of ``cfg.explainer``."""
    options = OmegaConf.to_container(cfg.explainer, resolve=True)
    assert isinstance(options, dict)
    preset = str(options.pop("preset"))
    bank = OmegaConf.to_container(cfg.bank, resolve=True) if cfg.get("bank") is not None else {}
    assert isinstance(bank, dict)
    if changed := {str(key): value for key, value in bank.items() if value is not None}:
        if options.get("bank") is not None:
            raise UserError("two filter banks: give bank=NAME (and bank.KEY=...) or explainer.bank=..., not both")
        options["bank"] = changed
    return LogGaborReconstruction(
        preset,
        Path(cfg.paths.output) / "explanation" / preset,
        limit=cfg.evaluation.explain_images,
        batch_size=cfg.evaluation.explain_batch_size,
        options={str(key): value for key, value in options.items() if not str(key).startswith("_")},
    )


def explain_pictures(
    output: Path, model: SaliencyModel, dataset: SaliencyDataset, explainer: LogGaborReconstruction
) -> None:
    """Explain pictures without ground truth: maps as PNG, tables, and the report."""
    model.to(torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    tables = Tables()
    for index in range(len(dataset)):
        sample = dataset[index]
        explanation = _explain_visibly(model, sample, explainer, f"{index + 1} of {len(dataset)}: {sample.id}")
        deep, explainable = explanation.saliency_map[:, 0], explanation.explainable_map[:, 0]
        print(f"{sample.id}: CC of the explainable to the deep map {cc(explainable, DensityMap(deep)).item():.3f}")
        tables.add(explanation, [sample.id])
        explainer.rows += fidelity_rows(explanation, [sample.id])
        maps = {DEEP: deep[0], explainer.name: explainable[0].clamp(min=0)}
        write_gallery(output, gallery_image(sample, maps, model))
        for name, values in (("deep", maps[DEEP]), ("explainable", maps[explainer.name])):
            write_map(output / "maps" / f"{sample.id}_{name}.png", values.cpu().numpy(), description(model))
    tables.save(explainer.folder)
    print(f"maps: {output / 'maps'}")


def _explain_visibly(
    model: SaliencyModel, sample: SaliencySample, explainer: LogGaborReconstruction, title: str
) -> Explanation:
    """Explain one picture, and show how many of its layers are done."""
    images = torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0)
    columns = (*Progress.get_default_columns()[:3], MofNCompleteColumn(), TextColumn("layers"), TimeRemainingColumn())
    with Progress(*columns) as bar:
        task = bar.add_task(title, total=None)
        show = partial(_show, bar, task)
        return explainer.explain(model, images, keep_maps=explainer.maps_per_layer, progress=show)


def _show(bar: Progress, task: TaskID, done: int, total: int) -> None:
    bar.update(task, completed=done, total=total)


@rank_zero_only
def print_usage(explainer: LogGaborReconstruction) -> None:
    """Say whether the bandwidth of the filters grows with depth, as the paper has it (Section IV)."""
    path = explainer.folder / "coefficients.parquet"
    if not path.exists():
        return
    usage = filter_usage(pd.read_parquet(path))
    if not usage.mean_bandwidth.empty:
        print(f"filters: {trend_text(bandwidth_trend(usage))}")


def explain_standalone(
    cfg: DictConfig, model: SaliencyModel, datamodule: SaliencyDataModule, loggers: list[Logger]
) -> Path:
    """Take the maps of a standalone model apart, exactly: it is its own explanation, and needs no reconstruction."""
    output = Path(cfg.paths.output)
    net, dataset = cast(Standalone, model.net), datamodule.dataset(datamodule.eval_split)
    write_record(output, cfg, model=describe(model))
    count = min(cfg.evaluation.explain_images or len(dataset), len(dataset))
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
    print(f"maps that add up to each saliency map: {output / 'maps'}\nhow large they are: {output / 'attribution.csv'}")
    finish_run(cfg, loggers)
    return output


def write_parts(output: Path, sample: SaliencySample, parts: dict[str, np.ndarray]) -> None:
    """The maps that add up to one saliency map, as files and as a picture."""
    for name, part in parts.items():
        write_map(output / "maps" / f"{sample.id}_{name.replace('/', '-')}.npy", part)
    with styled():
        figure = parts_figure(sample.image, sum(parts.values(), start=np.zeros(())), parts)
        save_figure(figure, output / "figures", f"{PARTS}_{sample.id}")
