"""The explainable model that needs no network: ``python -m explainsal.distill checkpoint=... data=...``."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn

from explainsal.app.record import write_record
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.fit import MixedSamples
from explainsal.distillation import (
    Distillation,
    DistillOptions,
    RefineOptions,
    load_standalone,
    refine,
    save_standalone,
)
from explainsal.distillation.inputs import seen_size
from explainsal.distillation.quality import mean_cc, stage_quality, write_tables
from explainsal.distillation.refine import center_level
from explainsal.distillation.samples import Store, StoredSamples
from explainsal.errors import MissingFilesError, UserError
from explainsal.explanation.nulls import untrained_copy
from explainsal.explanation.presets import resolve_options
from explainsal.functional.images import as_unit_float
from explainsal.models import SaliencyModel
from explainsal.workflows.evaluation import finish_run
from explainsal.workflows.loading import describe, network_of

FILE = "standalone.safetensors"
NULL_MODELS = ("untrained_network", "shuffled_filters")


def distill(cfg: DictConfig) -> Path:
    """Fit a standalone model to a network, refine it if asked for; returns its file."""
    lightning.seed_everything(cfg.seed, workers=True, verbose=False)
    output, options, refinement = Path(cfg.paths.output), options_of(cfg), refine_options_of(cfg)
    train, val = data_of(cfg)
    model = teacher_of(cfg)
    write_record(output, cfg, model=describe(model))
    work = output / "work"
    try:
        with _progress() as progress:
            samples = stored(train, model, work / "train", progress)
            size = input_size_of(cfg, samples.size)
            batches = samples.batches(cfg.batch_size)
            fit = Distillation(model, batches, len(train), options, size, store=work / "maps")
            fit_stages(fit, cfg, output, progress)
            if refinement.epochs:
                held_out = stored(val, model, work / "val", progress)
                refine_best(fit, samples, held_out, refinement, work / "refine", progress)
        note = {**_note(fit, cfg), "finished": True, "refined": refinement.epochs}
        file = save_standalone(fit.model, output / FILE, note)
        report_quality(fit, val, output)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    if cfg.resume is not None:  # what a killed run could not clear away
        shutil.rmtree(Path(cfg.resume) / "work", ignore_errors=True)
    finish_run(cfg)
    print(f"model: {file} ({fit.model.coefficients:,} coefficients)\n  use it: model=standalone weights={file}")
    return file


def data_of(cfg: DictConfig) -> tuple[MixedSamples, MixedSamples]:
    """Training and validation images of ``cfg.data`` and of what is beside it."""
    modules = {"data": instantiate(cfg.data)} | {name: instantiate(node) for name, node in cfg.beside.items()}
    for module in modules.values():
        module.prepare_data()
    train = {name: spread(module.dataset(module.fit_splits[0]), cfg.images) for name, module in modules.items()}
    val = {name: module.dataset(module.fit_splits[1]) for name, module in modules.items()}
    return MixedSamples(train), MixedSamples(val)


def input_size_of(cfg: DictConfig, seen: tuple[int, int]) -> tuple[int, int] | None:
    """Height and width at which the graph sees images; None: as the network does.

    Raises:
        UserError: If these are no two positive numbers, or larger than what the network sees.
    """
    if cfg.input_size is None:
        return None
    size = tuple(cfg.input_size)
    if len(size) != 2 or not all(0 < side <= limit for side, limit in zip(size, seen, strict=True)):
        raise UserError(f"input_size={list(size)}: give [HEIGHT,WIDTH], at most what the network sees, {list(seen)}")
    return size[0], size[1]


def options_of(cfg: DictConfig) -> DistillOptions:
    """``cfg.distill`` over the defaults, and the shuffled bank of the null model."""
    given = _given(cfg.distill)
    if "bank" in given or cfg.null_model == "shuffled_filters":
        bank = resolve_options("sparse", bank=given.pop("bank", None)).bank
        given["bank"] = bank.shuffled(cfg.seed) if cfg.null_model == "shuffled_filters" else bank
    if isinstance(given.get("layers"), list):
        given["layers"] = tuple(given["layers"])
    return _checked(DistillOptions, given)


def refine_options_of(cfg: DictConfig) -> RefineOptions:
    """``cfg.refine`` over the defaults, with the run's seed, and the sign that the fit's weights may have."""
    nonnegative = bool(cfg.distill.nonnegative)
    return _checked(RefineOptions, {**_given(cfg.refine), "seed": cfg.seed, "nonnegative": nonnegative})


def teacher_of(cfg: DictConfig) -> SaliencyModel:
    """The network to imitate; with fresh weights for the null model of that name."""
    if cfg.null_model not in (None, *NULL_MODELS):
        raise UserError(f"null_model={cfg.null_model}: choose {', '.join(NULL_MODELS)}, or null for the real fit")
    model = network_of(cfg)
    if cfg.null_model == "untrained_network":
        model.net = untrained_copy(model.net, seed=cfg.seed)
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def spread(dataset: SaliencyDataset, images: int | None) -> SaliencyDataset:
    """So many images of a data set, at equal distances; all where None."""
    if images is None:
        return dataset
    if not 0 < images <= len(dataset):
        raise UserError(f"images={images}: {dataset.name} {dataset.split} has {len(dataset)}")
    return dataset.select([i * len(dataset) // images for i in range(images)])


def stored(dataset: MixedSamples, model: nn.Module, folder: Path, progress: Progress) -> StoredSamples:
    """The images of a data set at the size that the network sees, on disk."""
    size = seen_size(model, as_unit_float(next(_batches(dataset))[0]))
    samples = StoredSamples(folder, len(dataset), size)
    task = progress.add_task(f"reading {folder.name}", total=len(dataset))
    return samples.fill(_batches(dataset), lambda count: progress.advance(task, count))


def fit_stages(fit: Distillation, cfg: DictConfig, output: Path, progress: Progress) -> None:
    """Fit what is to do; after every stage the file holds all that is done."""
    if cfg.resume is not None:
        go_on(fit, Path(cfg.resume))
    while fit.todo:
        layer = fit.todo[0]
        task = progress.add_task(f"{layer.name} {'x'.join(map(str, layer.shape))}", total=fit.count)
        fit.step(lambda count, task=task: progress.advance(task, count))  # type: ignore[misc]
        save_standalone(fit.model, output / FILE, _note(fit, cfg))


def go_on(fit: Distillation, folder: Path) -> None:
    """Take over the stages of an interrupted fit.

    Raises:
        UserError: If it was another fit.
    """
    if not (folder / FILE).is_file():
        raise MissingFilesError(f"resume={folder}: there is no {FILE}; no stage was finished. Start without resume")
    model, note = load_standalone(folder / FILE)
    if note.get("fingerprint") != fit.fingerprint():
        raise UserError(
            f"resume={folder}: that fit had other options, another network or other data. Repeat its command "
            "(environment.json has it) and add resume, or start without"
        )
    if note.get("refined"):
        raise UserError(f"resume={folder}: that model is refined already; resume a run with refine.epochs=0")
    fit.resume(model, note["explained"])


def refine_best(
    fit: Distillation,
    train: StoredSamples,
    val: StoredSamples,
    options: RefineOptions,
    work: Path,
    progress: Progress,
) -> None:
    """Refine, and keep the epoch that does best on the validation images."""
    truth, size = options.fixations > 0, fit.input_size
    deep = fit.deep_maps(train.batches(8), Store(work / "train", train.count))
    target = val.density[:, None] if truth else fit.deep_maps(val.batches(8), Store(work / "val", val.count))
    target = target / center_level(train.density if truth else deep, options.decenter)
    train, val = train.shrunk(size, work / "train"), val.shrunk(size, work / "val")
    best, state = mean_cc(fit.model, val, target), _copied(fit.model)
    task = progress.add_task("refining", total=options.epochs)

    def keep(epoch: int, loss: float) -> None:
        nonlocal best, state
        value = mean_cc(fit.model, val, target)
        progress.update(task, advance=1, description=f"refining: loss {loss:.3f}, validation CC {value:.3f}")
        if value > best:
            best, state = value, _copied(fit.model)

    refine(fit.model, train.images, deep, train.density if truth else None, options, keep, store=work / "seen")
    fit.model.load_state_dict(state)


def report_quality(fit: Distillation, dataset: MixedSamples, output: Path) -> None:
    """Tables of the graph and of how well it imitates each layer on the validation images; printed in short."""
    quality = stage_quality(fit, _batches(dataset), dataset.ids)
    write_tables(fit.model, quality, output / "explanation" / "standalone")
    for name, value in quality.groupby("name", sort=False)["correlation"].mean().items():
        print(f"{name}: correlation with the network's maps {value:.3f} on {len(dataset)} validation images")


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        yield progress


def _batches(dataset: MixedSamples) -> Iterator[tuple[Tensor, Tensor | None]]:
    """Images one by one, since their sizes may differ."""
    for index in range(len(dataset)):
        batch = SaliencyBatch.collate([dataset[index]])
        yield batch.images, None if batch.density is None else batch.density.values


def _note(fit: Distillation, cfg: DictConfig) -> dict[str, Any]:
    return {
        "finished": False, "fingerprint": fit.fingerprint(), "explained": fit.explained, "images": fit.count,
        "network": None if fit.net is None else _network_name(fit.net), "seed": cfg.seed,
    }  # fmt: skip


def _network_name(net: nn.Module) -> str:
    """Name of the network and of the file of its weights, without the folders of the machine."""
    weights = getattr(net, "weights", None)
    return f"{getattr(net, 'name', type(net).__name__)} {Path(weights).name if weights else 'untrained'}"


def _copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _given(node: DictConfig) -> dict[str, Any]:
    content = OmegaConf.to_container(node, resolve=True)
    assert isinstance(content, dict)
    return {str(key): value for key, value in content.items() if value is not None}


def _checked(cls: type, values: dict[str, Any]) -> Any:
    try:
        return cls(**values)
    except (ValueError, TypeError) as error:
        raise UserError(str(error)) from error
