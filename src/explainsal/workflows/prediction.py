"""Write the saliency maps of pictures as files, or as a submission to a benchmark."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import track
from torch import Tensor, nn

from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import UserError
from explainsal.fetch.fingerprints import fingerprint, fingerprint_files, sha256
from explainsal.functional.postprocessing import log_density
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.submissions.form import Submission
from explainsal.reporting.submissions.writing import WrittenMaps, only_writer
from explainsal.workflows.baselines import make_postprocessing
from explainsal.workflows.devices import choose_device
from explainsal.workflows.loading import describe, description, model_name
from explainsal.workflows.postprocessing import NONE, Postprocessing, PostprocessingOptions
from explainsal.workflows.runs import RunFolder, describe_data
from explainsal.workflows.submissions import SubmissionOptions, check_maps, choose_submitted, require_all_images
from explainsal.workflows.videos import video_maps, video_model

FORMATS = ("png", "npy")

Predictor = Callable[[Tensor], Tensor]
MapsOf = Callable[[list[int]], Iterator[tuple[int, np.ndarray]]]  # positions of images -> (position, map (H, W))


@dataclass(frozen=True)
class PredictionOptions:
    """Options for writing maps.

    Args:
        outputs: Folder of all outputs; interrupted predictions are resumed in it.
        to: Folder for the maps; None: ``maps/<data>/<model>-<hash of the options>`` in `outputs`.
        format: ``"png"``: 8 bit, maximum at 255, for viewing and most benchmarks; ``"npy"``: float32, unscaled.
        video: Whether the pictures of a folder are the frames of one video.
        postprocessing: Steps applied to the maps.
        submission: Write a submission instead of a folder of maps.
        model_options: Options of a classical model, which the model itself does not record.

    Raises:
        UserError: If options exclude each other, or the format is unknown.
    """

    outputs: Path
    to: Path | None = None
    format: Literal["png", "npy"] = "png"
    video: bool = False
    postprocessing: PostprocessingOptions = field(default_factory=PostprocessingOptions)
    submission: SubmissionOptions | None = None
    model_options: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device = field(default_factory=choose_device)

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise UserError(f"format={self.format}: choose one of {', '.join(FORMATS)}")
        if self.video and self.submission is not None:
            raise UserError("video=true: submissions need single images; leave out submission=...")


def choose_images(datamodule: SaliencyDataModule, options: PredictionOptions) -> SaliencyDataset:
    """Return the images whose maps are written."""
    if options.submission is not None:
        return choose_submitted(datamodule)
    return datamodule.dataset(datamodule.eval_split)


def predict(model: nn.Module, datamodule: SaliencyDataModule, run: RunFolder, options: PredictionOptions) -> Path:
    """Write one map per picture, at the picture's size and under its name.

    Args:
        options: See `PredictionOptions`.

    Returns:
        The folder of the maps, or the submission.
    """
    dataset = choose_images(datamodule, options)
    model = model.to(options.device)
    postprocessing = make_postprocessing(options.postprocessing, datamodule).to(options.device)
    run.record(describe(model), data=describe_data(dataset))
    model = model.for_prediction() if isinstance(model, SaliencyModel) else model
    print(f"post-processing: {postprocessing.description}")
    if options.submission is not None:
        return write_submission(options, options.submission, datamodule, dataset, model, postprocessing)
    return write_folder(options, datamodule, dataset, model, postprocessing)


def predicted_maps(
    datamodule: SaliencyDataModule, dataset: SaliencyDataset, predictor: Predictor, device: torch.device
) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the position and map ``(H, W)`` of each image; one batch is in memory at a time."""
    with torch.inference_mode():
        for batch in track(datamodule.loader(dataset) if len(dataset) else [], description="predicting"):
            maps = predictor(batch.images.to(device)).squeeze(1).cpu().numpy()
            yield from zip(batch.index.tolist(), maps, strict=True)


def image_maps(
    datamodule: SaliencyDataModule, dataset: SaliencyDataset, predictor: Predictor, device: torch.device
) -> MapsOf:
    """Return a function that computes the maps of selected images; see `predicted_maps`."""

    def compute(wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        for index, values in predicted_maps(datamodule, dataset.select(wanted), predictor, device):
            yield wanted[index], values

    return compute


def frame_maps(
    datamodule: SaliencyDataModule,
    dataset: SaliencyDataset,
    model: nn.Module,
    postprocessing: Postprocessing,
    device: torch.device,
) -> MapsOf:
    """Return the function of `image_maps` for pictures that are frames of videos."""
    network = video_model(model)

    def compute(wanted: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        batch_size = datamodule.batch_size
        for index, values in video_maps(dataset, network, wanted, batch_size=batch_size, device=device):
            yield index, postprocessing(values)[0, 0].cpu().numpy()

    return compute


def write_folder(
    options: PredictionOptions,
    datamodule: SaliencyDataModule,
    dataset: SaliencyDataset,
    model: nn.Module,
    postprocessing: Postprocessing,
) -> Path:
    """Write the model's maps into a folder, continuing an interrupted run."""
    form = Submission("tuebingen", "map", options.format, zip=False)
    values = "maps as the model gives them" + (", of the frames of videos" if options.video else "")
    recipe = make_recipe(options, dataset, model, form, values)
    digest = fingerprint(recipe)[:8]
    path = options.to or options.outputs / "maps" / dataset.name / f"{name_model(model)}-{digest}"
    names = form.names(dataset.ids, dataset.files)
    if options.video:
        maps_of = frame_maps(datamodule, dataset, model, postprocessing, options.device)
    else:
        maps_of = image_maps(datamodule, dataset, lambda images: postprocessing(model(images)), options.device)
    with only_writer(path, "to=FOLDER"):
        maps = WrittenMaps(path, names, form, recipe, option="to=FOLDER", comment=description(model))
        write_missing(maps, dataset, maps_of)
    print(f"maps: {path}")
    return path


def write_submission(
    options: PredictionOptions,
    submission: SubmissionOptions,
    datamodule: SaliencyDataModule,
    dataset: SaliencyDataset,
    model: nn.Module,
    postprocessing: Postprocessing,
) -> Path:
    """Write the maps in the benchmark's form, continuing an interrupted run, and check the result."""
    form = submission.form
    require_all_images(datamodule, dataset, partial=submission.partial)
    predictor, values = submission_values(submission, model, postprocessing)
    path = submission.to or default_place(options.outputs, form, dataset, model)
    names, recipe = form.names(dataset.ids, dataset.files), make_recipe(options, dataset, model, form, values)
    with only_writer(path):
        maps = WrittenMaps(path, names, form, recipe, comment=description(model))
        write_missing(maps, dataset, image_maps(datamodule, dataset, predictor, options.device))
    print(f"values: {values}")
    check_maps(path, form, dataset)
    return path


def write_missing(maps: WrittenMaps, dataset: SaliencyDataset, maps_of: MapsOf) -> None:
    """Compute the missing maps; each batch is written before the next one is computed."""
    if maps.finished:
        return
    missing = maps.missing()
    maps.begin(dataset.sizes)
    if len(missing) < len(dataset):
        print(f"{len(dataset) - len(missing)} of {len(dataset)} maps already exist in {maps.parts}")
    for index, values in maps_of(missing):
        maps.write(index, values)
    maps.finish(partial(track, description=f"collecting {maps.path.name}"))


def submission_values(
    submission: SubmissionOptions, model: nn.Module, postprocessing: Postprocessing
) -> tuple[Predictor, str]:
    """Return the function that computes the values of a submission from images, and its description.

    Raises:
        UserError: If the submission needs densities, the model returns maps, and no conversion is chosen.
    """
    if submission.form.kind == "map":
        return lambda images: postprocessing(model(images)), "maps as the model gives them"
    plain = postprocessing.description == NONE
    if isinstance(model, SaliencyModel) and model.output != "map" and plain:
        return model.log_density, "natural logarithms of the model's densities"
    if submission.density != "sum":
        what = f"{model_name(model)} returns maps" if plain else "post-processing returns maps"
        raise UserError(
            f"{what}, not densities, but this submission needs densities. Choose submission.kind=map to submit the "
            "maps themselves (without information gain), or submission.density=sum to divide each map by its sum"
        )
    share = submission.uniform
    if not 0 <= share <= 1:
        raise UserError(f"submission.uniform={share} must be between 0 and 1")
    values = f"natural logarithms of {1 - share:g} map / sum + {share:g} uniform"
    return lambda images: log_density(postprocessing(model(images)), share), values


def default_place(outputs: Path, form: Submission, dataset: SaliencyDataset, model: nn.Module) -> Path:
    """Return the path of a submission; it is the same at every start, so that interrupted runs are resumed."""
    file = "" if form.file == "hdf5" else f"-{form.file}"
    name = f"{name_model(model)}-{form.kind}{file}{form.suffix}"
    return outputs / "submissions" / dataset.name / name


def name_model(model: nn.Module) -> str:
    """Return the model's name for file names; it marks untrained models, since arrays hold no label."""
    untrained = isinstance(model, SaliencyModel) and not model.trained
    return f"{model_name(model)}-untrained" if untrained else model_name(model)


def make_recipe(
    options: PredictionOptions, dataset: SaliencyDataset, model: nn.Module, form: Submission, values: str
) -> dict[str, Any]:
    """Collect all settings that determine the maps; partial output is resumed only with identical settings."""
    weights = getattr(model, "weights", None)
    known = weights is not None and Path(weights).is_file()
    untrained = UNTRAINED if isinstance(model, SaliencyModel) else None
    return {
        "model": model_name(model),
        "options": model.options if isinstance(model, SaliencyModel) else dict(options.model_options),
        "weights": sha256(weights) if weights and known else weights or untrained,
        "postprocessing": asdict(options.postprocessing),
        "values": values,
        "form": asdict(form),
        "images": f"{dataset.name} {dataset.split}, {len(dataset)} images, {fingerprint_files(dataset.files)}",
        "explainsal": importlib.metadata.version("explainsal"),
    }
