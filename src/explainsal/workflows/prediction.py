"""Saliency maps of pictures, as files: ``python -m explainsal.predict checkpoint=... image=folder``.

``python -m explainsal.predict model=... data=mit300 submission=tuebingen`` writes what the benchmark takes.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import track
from torch import Tensor, nn

from explainsal.app.record import write_record
from explainsal.data.cache import fingerprint
from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.fetch.checksum import Checksum
from explainsal.functional.postprocessing import log_density
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.submissions.form import Submission
from explainsal.reporting.submissions.writing import WrittenMaps
from explainsal.workflows.baselines import postprocessing_of
from explainsal.workflows.loading import PACKAGED, describe, description, model_name, model_of
from explainsal.workflows.postprocessing import NONE, Postprocessing
from explainsal.workflows.submissions import form_of, require_all_images, submitted_images, validate_file
from explainsal.workflows.videos import video_maps, video_model

FORMATS = ("png", "npy")
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")

Predictor = Callable[[Tensor], Tensor]
MapsOf = Callable[[list[int]], Iterator[tuple[int, np.ndarray]]]  # positions of images -> each with its map (H, W)


def predict(cfg: DictConfig) -> Path:
    """Write one map per picture, at the picture's size and under its name; returns the folder or the submission.

    ``png`` is 8 bit with the maximum at 255, for looking and for most benchmarks; ``npy`` is float32, unscaled.
    """
    if cfg.format not in FORMATS:
        raise UserError(f"format={cfg.format}: choose one of {', '.join(FORMATS)}")
    form = form_of(cfg)
    if cfg.video and form is not None:
        raise UserError("video=true: submissions are of single images; leave out submission=...")
    datamodule = instantiate(cfg.data)
    dataset = submitted_images(cfg, datamodule) if form else datamodule.dataset(datamodule.eval_split)
    model = model_of(cfg, PACKAGED).to(DEVICE)
    postprocessing = postprocessing_of(cfg, datamodule).to(DEVICE)
    write_record(Path(cfg.paths.output), cfg, model=describe(model))
    model = model.for_prediction() if isinstance(model, SaliencyModel) else model
    print(f"post-processing: {postprocessing.description}")
    if form is not None:
        return write_submission(cfg, form, datamodule, dataset, model, postprocessing)
    return write_folder(cfg, datamodule, dataset, model, postprocessing)


def predicted_maps(
    datamodule: SaliencyDataModule, dataset: SaliencyDataset, predictor: Predictor
) -> Iterator[tuple[int, np.ndarray]]:
    """Position of each image and what the predictor makes of it, ``(H, W)``; one batch is in memory at a time."""
    with torch.inference_mode():
        for batch in track(datamodule.loader(dataset) if len(dataset) else [], description="predicting"):
            maps = predictor(batch.images.to(DEVICE)).squeeze(1).cpu().numpy()
            yield from zip(batch.index.tolist(), maps, strict=True)


def image_maps(datamodule: SaliencyDataModule, dataset: SaliencyDataset, predictor: Predictor) -> MapsOf:
    """`predicted_maps` of those images of a data set that are asked for."""

    def of(wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index, values in predicted_maps(datamodule, dataset.select(wanted), predictor):
            yield wanted[index], values

    return of


def frame_maps(
    datamodule: SaliencyDataModule, dataset: SaliencyDataset, model: nn.Module, postprocessing: Postprocessing
) -> MapsOf:
    """As `image_maps`, of pictures that are the frames of videos."""
    network = video_model(model)

    def of(wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index, values in video_maps(dataset, network, wanted, batch_size=datamodule.batch_size, device=DEVICE):
            yield index, postprocessing(values)[0, 0].cpu().numpy()

    return of


def write_folder(
    cfg: DictConfig,
    datamodule: SaliencyDataModule,
    dataset: SaliencyDataset,
    model: nn.Module,
    postprocessing: Postprocessing,
) -> Path:
    """Write the model's maps into a folder, going on where an interrupted run ended."""
    form = Submission("tuebingen", "map", cfg.format, zip=False)
    said = "maps as the model gives them" + (", of the frames of videos" if cfg.video else "")
    made = recipe(cfg, dataset, model, form, said)
    digest = hashlib.blake2b(json.dumps(made, default=str).encode(), digest_size=4).hexdigest()
    path = Path(cfg.to or Path(cfg.paths.outputs) / "maps" / dataset.name / f"{called(model)}-{digest}")
    names = form.names(dataset.ids, dataset.files)
    if cfg.video:
        maps_of = frame_maps(datamodule, dataset, model, postprocessing)
    else:
        maps_of = image_maps(datamodule, dataset, lambda images: postprocessing(model(images)))
    maps = WrittenMaps(path, names, form, made, option="to=FOLDER", comment=description(model))
    write_missing(maps, dataset, maps_of)
    print(f"maps: {path}")
    return path


def write_submission(
    cfg: DictConfig,
    form: Submission,
    datamodule: SaliencyDataModule,
    dataset: SaliencyDataset,
    model: nn.Module,
    postprocessing: Postprocessing,
) -> Path:
    """Write the maps in the benchmark's form, going on where an interrupted run ended, and check the result."""
    require_all_images(cfg, datamodule, dataset)
    predictor, said = submission_values(cfg, form, model, postprocessing)
    path = Path(cfg.submission.to or default_place(cfg, form, dataset, model))
    names, made = form.names(dataset.ids, dataset.files), recipe(cfg, dataset, model, form, said)
    maps = WrittenMaps(path, names, form, made, comment=description(model))
    write_missing(maps, dataset, image_maps(datamodule, dataset, predictor))
    print(f"values: {said}")
    validate_file(path, form, dataset)
    return path


def write_missing(maps: WrittenMaps, dataset: SaliencyDataset, maps_of: MapsOf) -> None:
    """Compute the maps that are not there yet, each written before the next batch is computed."""
    if maps.finished:
        return
    missing = maps.missing()
    maps.begin(dataset.sizes)
    if len(missing) < len(dataset):
        print(f"{len(dataset) - len(missing)} of {len(dataset)} maps are there already, in {maps.parts}")
    for index, values in maps_of(missing):
        maps.write(index, values)
    maps.finish(partial(track, description=f"collecting {maps.path.name}"))


def submission_values(
    cfg: DictConfig, form: Submission, model: nn.Module, postprocessing: Postprocessing
) -> tuple[Predictor, str]:
    """What computes the values of a submission from images, and what it is in words.

    Raises:
        UserError: If densities are wanted of a model that gives maps, and no way from one to the other is chosen.
    """
    if form.kind == "map":
        return lambda images: postprocessing(model(images)), "maps as the model gives them"
    plain = postprocessing.description == NONE
    if isinstance(model, SaliencyModel) and model.output != "map" and plain:
        return model.log_density, "natural logarithms of the model's densities"
    if cfg.submission.density != "sum":
        what = f"{model_name(model)} gives maps" if plain else "post-processing leaves maps"
        raise UserError(
            f"{what}, not densities, and the benchmark is to get densities. Choose submission.kind=map to send in the "
            "maps themselves (no information gain), or submission.density=sum to divide each map by its sum"
        )
    share = float(cfg.submission.uniform)
    if not 0 <= share <= 1:
        raise UserError(f"submission.uniform={share} is a share: it lies between 0 and 1")
    said = f"natural logarithms of {1 - share:g} map / sum + {share:g} uniform"
    return lambda images: log_density(postprocessing(model(images)), share), said


def default_place(cfg: DictConfig, form: Submission, dataset: SaliencyDataset, model: nn.Module) -> Path:
    """Where a submission lies: the same place at every start, so that an interrupted run is gone on with."""
    file = "" if form.file == "hdf5" else f"-{form.file}"
    name = f"{called(model)}-{form.kind}{file}{form.suffix}"
    return Path(cfg.paths.outputs) / "submissions" / dataset.name / name


def called(model: nn.Module) -> str:
    """The model in the names of files: it stays with arrays, which have no place for what must be said of them."""
    untrained = isinstance(model, SaliencyModel) and not model.trained
    return f"{model_name(model)}-untrained" if untrained else model_name(model)


def recipe(
    cfg: DictConfig, dataset: SaliencyDataset, model: nn.Module, form: Submission, values: str
) -> dict[str, Any]:
    """What decides how the maps turn out: what was begun with another one is not gone on with."""
    weights = getattr(model, "weights", None)
    known = weights is not None and Path(weights).is_file()
    untrained = UNTRAINED if isinstance(model, SaliencyModel) else None
    options = {key: value for key, value in (cfg.get("model") or {}).items() if key != "weights"}
    return {
        "model": model_name(model),
        "options": model.options if isinstance(model, SaliencyModel) else options,
        "weights": Checksum("sha256", "0" * 64).of(Path(weights)).value if weights and known else weights or untrained,
        "postprocessing": OmegaConf.to_container(cfg.postprocessing, resolve=True),
        "values": values,
        "form": asdict(form),
        "images": f"{dataset.name} {dataset.split}, {len(dataset)} images, {fingerprint(dataset.files)}",
        "explainsal": importlib.metadata.version("explainsal"),
    }
