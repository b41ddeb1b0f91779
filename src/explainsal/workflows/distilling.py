"""Fit a standalone model: an explainable model that imitates a network and then needs no network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.datamodules.fit import MixedSamples
from explainsal.distillation import (
    Distillation,
    DistillOptions,
    RefineOptions,
    Standalone,
    load_standalone,
    save_standalone,
)
from explainsal.distillation.inputs import network_input_size
from explainsal.distillation.quality import stage_quality, write_tables
from explainsal.distillation.samples import StoredSamples
from explainsal.errors import MissingFilesError, UserError
from explainsal.explanation.nulls import untrained_copy
from explainsal.functional.images import as_unit_float
from explainsal.models import SaliencyModel
from explainsal.workflows.loading import describe
from explainsal.workflows.refining import make_lessons, refine_best
from explainsal.workflows.runs import RunFolder

FILE = "standalone.safetensors"
NULL_MODELS = ("untrained_network", "shuffled_filters")


@dataclass(frozen=True)
class FitOptions:
    """Options of the fit of a standalone model.

    Args:
        stages: Options of the stages. A stage fits the maps of one layer.
        refinement: Options of the gradient descent after the stages; ``epochs=0`` disables it.
        images: Number of training images per data set, spread over the split; None: all.
        input_size: Height and width of the model's input images; None: those of the network.
        batch_size: Number of images per batch.
        resume: Folder of an interrupted run, which continues after its last finished stage.
        seed: The run's seed, recorded in the file.
    """

    stages: DistillOptions = field(default_factory=DistillOptions)
    refinement: RefineOptions = field(default_factory=RefineOptions)
    images: int | None = None
    input_size: Sequence[int] | None = None
    batch_size: int = 4
    resume: Path | None = None
    seed: int = 0


def distill(model: SaliencyModel, sets: Mapping[str, SaliencyDataModule], run: RunFolder, options: FitOptions) -> Path:
    """Fit a standalone model to a network, and refine it if the options say so.

    Args:
        model: The network to imitate, on the device of the fit; see `make_teacher`.
        sets: Name -> prepared data module; the fit uses their training and validation splits together.
        options: See `FitOptions`.

    Returns:
        The file of the standalone model.
    """
    train, val = mix_splits(sets, options.images)
    run.record(describe(model), presets={"standalone": {"bank": options.stages.plain()["bank"]}})
    work = run.folder / "work"
    try:
        with _progress() as progress:
            samples = stored(train, model, work / "train", progress)
            size = check_input_size(options.input_size, samples.size)
            batches = samples.batches(options.batch_size)
            fit = Distillation(model, batches, len(train), options.stages, size, store=work / "maps")
            fit_stages(fit, options, run.folder, progress)
            if options.refinement.epochs:
                held_out = make_lessons(fit, stored(val, model, work / "val", progress), work / "refine_val")
                lessons = make_lessons(fit, samples, work / "refine_train")
                refine_best(fit.model, lessons, held_out, options.refinement, work / "refine", progress)
        note = {**_note(fit, options.seed), "finished": True, "refined": options.refinement.epochs}
        save_standalone(fit.model, run.folder / FILE, note)
        report_quality(fit, val, run.folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if options.resume is not None:  # left by a killed run
        shutil.rmtree(options.resume / "work", ignore_errors=True)
    return end_run(fit.model, run)


def end_run(model: Standalone, run: RunFolder) -> Path:
    """End the run of a model that is in its file, and say how to use it; return the file."""
    file = run.folder / FILE
    run.finish()
    print(f"model: {file} ({model.coefficients:,} coefficients)\n  use it: model=standalone weights={file}")
    return file


def mix_splits(sets: Mapping[str, SaliencyDataModule], images: int | None) -> tuple[MixedSamples, MixedSamples]:
    """Return the training images (at most `images` per data set) and validation images of several data sets."""
    train = {name: spread(module.dataset(module.fit_splits[0]), images) for name, module in sets.items()}
    val = {name: module.dataset(module.fit_splits[1]) for name, module in sets.items()}
    return MixedSamples(train), MixedSamples(val)


def check_input_size(wanted: Sequence[int] | None, largest: tuple[int, int]) -> tuple[int, int] | None:
    """Return height and width of the model's input images; None: those of the network.

    Raises:
        UserError: If the size is not two positive numbers, or is larger than the network's input.
    """
    if wanted is None:
        return None
    size = tuple(wanted)
    if len(size) != 2 or not all(0 < side <= limit for side, limit in zip(size, largest, strict=True)):
        raise UserError(f"input_size={list(size)}: give [HEIGHT,WIDTH], at most the network's {list(largest)}")
    return size[0], size[1]


def make_teacher(
    model: SaliencyModel, null_model: str | None, *, seed: int = 0, device: torch.device | None = None
) -> SaliencyModel:
    """Return the network to imitate, on the device; the null model ``untrained_network`` gets random weights."""
    if null_model == "untrained_network":
        model.net = untrained_copy(model.net, seed=seed)
    return model.to(device) if device is not None else model


def check_null_model(null_model: str | None) -> None:
    """Raise a UserError if a null model is unknown."""
    if null_model not in (None, *NULL_MODELS):
        raise UserError(f"null_model={null_model}: choose {', '.join(NULL_MODELS)}, or null for the real fit")


def spread(dataset: SaliencyDataset, images: int | None) -> SaliencyDataset:
    """Select `images` images of a data set at equal distances; None: all."""
    if images is None:
        return dataset
    if not 0 < images <= len(dataset):
        raise UserError(f"images={images}: {dataset.name} {dataset.split} has {len(dataset)}")
    return dataset.select([i * len(dataset) // images for i in range(images)])


def stored(dataset: MixedSamples, model: nn.Module, folder: Path, progress: Progress) -> StoredSamples:
    """Store the images of a data set on disk at the network's input size."""
    size = network_input_size(model, as_unit_float(next(single_batches(dataset))[0]))
    samples = StoredSamples(folder, len(dataset), size)
    task = progress.add_task(f"reading {folder.name}", total=len(dataset))
    return samples.fill(single_batches(dataset), lambda count: progress.advance(task, count))


def fit_stages(fit: Distillation, options: FitOptions, output: Path, progress: Progress) -> None:
    """Fit the remaining stages, and save all finished stages after each one."""
    if options.resume is not None:
        resume_fit(fit, options.resume)
    while fit.todo:
        layer = fit.todo[0]
        task = progress.add_task(f"{layer.name} {'x'.join(map(str, layer.shape))}", total=fit.count)
        fit.step(lambda count, task=task: progress.advance(task, count))  # type: ignore[misc]
        save_standalone(fit.model, output / FILE, _note(fit, options.seed))


def resume_fit(fit: Distillation, folder: Path) -> None:
    """Continue an interrupted fit from its finished stages.

    Raises:
        UserError: If the options, network or data of that fit differ.
    """
    if not (folder / FILE).is_file():
        raise MissingFilesError(f"resume={folder}: {FILE} is missing, so no stage was finished. Start without resume")
    model, note = load_standalone(folder / FILE)
    if note.get("fingerprint") != fit.fingerprint():
        raise UserError(
            f"resume={folder}: that fit used other options, another network or other data. Repeat its command "
            "(see environment.json) with resume added, or start without resume"
        )
    if note.get("refined"):
        raise UserError(f"resume={folder}: that model is already refined; resume a run with refine.epochs=0")
    fit.resume(model, note["explained"])


def report_quality(fit: Distillation, dataset: MixedSamples, output: Path) -> None:
    """Write tables of the graph and of its fidelity per layer on the validation images; print a summary."""
    quality = stage_quality(fit, single_batches(dataset), dataset.ids)
    write_tables(fit.model, quality, output / "explanation" / "standalone")
    for name, value in quality.groupby("name", sort=False)["correlation"].mean().items():
        print(f"{name}: correlation with the network's maps {value:.3f} on {len(dataset)} validation images")


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        yield progress


def single_batches(dataset: MixedSamples) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Yield images one by one, since their sizes may differ."""
    for index in range(len(dataset)):
        batch = SaliencyBatch.collate([dataset[index]])
        yield batch.images, None if batch.density is None else batch.density.values


def _note(fit: Distillation, seed: int) -> dict[str, Any]:
    return {
        "finished": False, "fingerprint": fit.fingerprint(), "explained": fit.explained, "images": fit.count,
        "network": None if fit.net is None else network_name(fit.net), "seed": seed,
    }  # fmt: skip


def network_name(net: nn.Module) -> str:
    """Return the names of the network and its weight file, without folders."""
    weights = getattr(net, "weights", None)
    return f"{getattr(net, 'name', type(net).__name__)} {Path(weights).name if weights else 'untrained'}"
