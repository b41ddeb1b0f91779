"""Reader of a command's output folder, complete or partial."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from explainsal.errors import MissingFilesError
from explainsal.explanation.per_layer import DESCRIPTION
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.manifest import Manifest, parse_manifest
from explainsal.reporting.paper.table import PaperTable, read_table
from explainsal.reporting.parse import read_csv, read_json, read_npz, read_parquet, read_text

EXPLAINABLE = "explainable/"  # start of the names of explainable models; the preset follows
PRESET_ORDER = ("paper", "normalized", "sparse")  # from the literal to the most faithful preset
EVALUATE = "python -m explainsal.evaluate checkpoint=outputs/<date>/<time>/checkpoints/best.ckpt"
EXPLAIN = "python -m explainsal.explain checkpoint=outputs/<date>/<time>/checkpoints/best.ckpt"
TRAIN = "python -m explainsal.train"
GRAPH = "explanation/standalone/graph.csv"  # graph of a standalone model, which is its own explanation

RUN_FILES = (  # every run has at least one of them
    "config.yaml", "environment.json", "metrics.csv", "results.csv", "per_image.parquet", "gallery", "explanation",
)  # fmt: skip
RESULT_COLUMNS = ("model", "metric", "mean", "low", "high")
PROFILE_COLUMNS = ("profile", "model", "metric", "mean", "low", "high", "images")
PER_IMAGE_COLUMNS = ("model", "id")
# files that a command does not write; `explain` writes no scores, because its images may have no ground truth
NEVER_WRITES = {"evaluate": ("metrics.csv",), "explain": ("metrics.csv", "results.csv")}
LAYER_COLUMNS = ("image", "layer", "name", "channels", "height", "width", "relative_mae", "correlation")
CASCADE_COLUMNS = ("step", "layer", "fresh", "image", "cc_to_deep", "maps", "explanations")
GRAPH_COLUMNS = ("layer", "name", "part", "wavelength", "orientation", "source", "flow")
ATTRIBUTION_COLUMNS = ("image", "by", "part", "mean", "variation")
COEFFICIENT_COLUMNS = ("image", "layer", "map", "term", "weight", "wavelength", "orientation", "sigma_on_f")


@dataclass(frozen=True)
class MissingFile:
    """A file or folder that this run lacks.

    Args:
        content: Its content, e.g. ``training curves``.
        path: Its path in the run's folder.
        command: The command that writes it.
    """

    content: str
    path: str
    command: str

    def __str__(self) -> str:
        return f"No {self.content}: {self.path} is not in this run. `{self.command}` writes it."


@dataclass(frozen=True, eq=False)
class GalleryImage:
    """An image with its ground truth and predicted maps.

    Args:
        id: The image's id in its data set.
        image: Shape ``(H, W, 3)``, uint8, RGB.
        density: Shape ``(H, W)``, or None without ground truth.
        fixations: Shape ``(N, 2)``, (x, y) in pixels, or None without ground truth.
        maps: Shape ``(H, W)`` each, by model name: ``deep``, ``explainable/<preset>``.
        description: Remark on the network that predicted the maps, e.g. ``untrained weights``.
    """

    id: str
    image: np.ndarray
    density: np.ndarray | None
    fixations: np.ndarray | None
    maps: dict[str, np.ndarray]
    description: str = ""


@dataclass(frozen=True)
class MapKey:
    """Key of an activation map: image, layer and map."""

    image: str
    layer: int
    map: int


@dataclass(frozen=True, eq=False)
class MapPair:
    """An activation map and its reconstruction, both ``(h, w)`` float."""

    activation: np.ndarray
    reconstruction: np.ndarray


@dataclass(frozen=True, eq=False)
class ExplanationTables:
    """Explanations of one preset: a table of layers, a table of coefficients, and a few example maps.

    Args:
        preset: Name of the preset and of its folder.
        layers: Columns of ``layers.csv``, a row per image and layer: the fidelity of each layer.
        coefficients: Columns of ``coefficients.parquet``, a row per coefficient; None if it is missing.
        maps: A few maps; empty if ``maps.npz`` is missing.
        fidelity: A row per variant (``explanation``, then any null models) and image.
        cascade: Columns of ``cascade.csv``, if weights were randomized layer by layer.
    """

    preset: str
    layers: pd.DataFrame
    coefficients: pd.DataFrame | None
    maps: dict[MapKey, MapPair]
    fidelity: pd.DataFrame | None = None
    cascade: pd.DataFrame | None = None

    @property
    def fidelity_with_nulls(self) -> pd.DataFrame | None:
        """The table `fidelity`; None if it has no null models."""
        return None if self.fidelity is None or self.fidelity["variant"].nunique() < 2 else self.fidelity

    @property
    def depth(self) -> pd.DataFrame:
        """Table with a row per layer in execution order: layer, name, and the mean of every number over the images."""
        numbers = self.layers.select_dtypes("number").columns.drop("layer")
        grouped = self.layers.groupby("layer", sort=True)
        return pd.concat([grouped["name"].first(), grouped[list(numbers)].mean()], axis=1).reset_index()


@dataclass(frozen=True, eq=False)
class Run:
    """Content of a run folder. An absent part is None or empty, and listed in `missing`.

    `graph` holds every coefficient of a standalone model, see :func:`~explainsal.distillation.term_table`.
    `attribution` holds each part's share of its maps. These two, `profiles` and `paper_table` belong to few runs, and
    are never listed in `missing`.
    """

    folder: Path
    config: str | None
    environment: dict[str, Any] | None
    training: pd.DataFrame | None
    results: pd.DataFrame | None
    per_image: pd.DataFrame | None
    gallery: tuple[GalleryImage, ...]
    explanations: dict[str, ExplanationTables]
    missing: tuple[MissingFile, ...]
    profiles: pd.DataFrame | None = None
    paper_table: PaperTable | None = None
    graph: pd.DataFrame | None = None
    attribution: pd.DataFrame | None = None

    @property
    def untrained(self) -> bool:
        """Return whether the network has random weights."""
        return (self.manifest.model or {}).get("weights") == UNTRAINED

    @property
    def manifest(self) -> Manifest:
        """Manifest of the run; empty if there is none."""
        return parse_manifest(self.environment or {})

    def expects(self, path: str) -> bool:
        """Return whether the run's command writes the part at `path`; e.g. an explanation of a photo has no scores."""
        return path not in NEVER_WRITES.get(self.manifest.task, ())

    def why_missing(self, path: str) -> str:
        """Return the sentence to print in place of the part at `path`; empty if it is present."""
        return next((str(file) for file in self.missing if file.path == path), "")


def read_run(folder: Path | str) -> Run:
    """Read a run folder.

    Args:
        folder: Folder created by Hydra, e.g. ``outputs/2026-11-23/10-00-00``.

    Raises:
        MissingFilesError: If the folder does not exist, or holds no files of a run.
        CorruptFileError: If a file is truncated or lacks a column; the message names the file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise MissingFilesError(
            f"no run at {folder}: give a folder that a command wrote, e.g. run=outputs/<date>/<time>"
        )
    missing: list[MissingFile] = []

    def part(name: str, path: str, command: str, read: Any) -> Any:
        if (folder / path).exists():
            return read(folder / path)
        missing.append(MissingFile(name, path, command))
        return None

    profiles = folder / "profiles.csv"  # written on request only, so never missing
    graph, attribution = folder / GRAPH, folder / "attribution.csv"
    run = Run(
        folder=folder,
        config=part("resolved config", "config.yaml", TRAIN, read_text),
        environment=part("environment", "environment.json", TRAIN, read_json),
        training=part("training curves", "metrics.csv", TRAIN, partial(read_csv, columns=("epoch", "step"))),
        results=part("results table", "results.csv", EVALUATE, partial(read_csv, columns=RESULT_COLUMNS)),
        per_image=part(
            "scores per image", "per_image.parquet", EVALUATE, partial(read_parquet, columns=PER_IMAGE_COLUMNS)
        ),
        gallery=part("pictures", "gallery", EVALUATE, _read_gallery) or (),
        explanations=part("explanation", "explanation", EXPLAIN, partial(_read_explanations, missing=missing)) or {},
        missing=(),
        paper_table=read_table(folder) if (folder / "table.csv").exists() else None,
        profiles=read_csv(profiles, columns=PROFILE_COLUMNS) if profiles.exists() else None,
        graph=read_csv(graph, columns=GRAPH_COLUMNS, text=("name", "source")) if graph.exists() else None,
        attribution=(
            read_csv(attribution, columns=ATTRIBUTION_COLUMNS, text=("image", "part")) if attribution.exists() else None
        ),
    )
    if not any((folder / path).exists() for path in RUN_FILES):
        raise MissingFilesError(f"nothing in {folder} comes from a run: it holds none of {', '.join(RUN_FILES)}")
    return Run(**{**run.__dict__, "missing": tuple(missing)})


def _read_gallery(folder: Path) -> tuple[GalleryImage, ...]:
    return tuple(_read_gallery_image(path) for path in sorted(folder.glob("*.npz")))


def _read_gallery_image(path: Path) -> GalleryImage:
    arrays = read_npz(path, required=("image",))
    image, density, fixations = (arrays.pop(key, None) for key in ("image", "density", "fixations"))
    assert image is not None
    description = str(arrays.pop(DESCRIPTION, ""))
    return GalleryImage(path.stem, image, density, fixations, arrays, description)


def _read_explanations(folder: Path, missing: list[MissingFile]) -> dict[str, ExplanationTables]:
    presets = sorted((path for path in folder.iterdir() if path.is_dir()), key=lambda path: preset_order(path.name))
    found = {path.name: _read_explanation(path, missing) for path in presets if (path / "layers.csv").exists()}
    missing.extend(
        MissingFile(f"layers of preset {path.name}", f"explanation/{path.name}/layers.csv", EXPLAIN)
        for path in presets
        if path.name not in found and not (path / Path(GRAPH).name).exists()
    )
    return found


def preset_order(name: str) -> tuple[int, str]:
    """Sorting key of the presets: the literal one first, the most faithful one last, others after it by name."""
    return (PRESET_ORDER.index(name) if name in PRESET_ORDER else len(PRESET_ORDER), name)


def _read_explanation(folder: Path, missing: list[MissingFile]) -> ExplanationTables:
    def optional(name: str, file: str, read: Any) -> Any:
        if (folder / file).exists():
            return read(folder / file)
        missing.append(MissingFile(f"{name} of preset {folder.name}", f"explanation/{folder.name}/{file}", EXPLAIN))
        return None

    nulls, cascade = folder / "fidelity.csv", folder / "cascade.csv"
    return ExplanationTables(
        preset=folder.name,
        layers=read_csv(folder / "layers.csv", columns=LAYER_COLUMNS, text=("image", "name")),
        coefficients=optional(
            "filters", "coefficients.parquet", partial(read_parquet, columns=COEFFICIENT_COLUMNS, text=("image",))
        ),
        maps=_pairs(optional("maps", "maps.npz", read_npz) or {}),
        # null models are computed only on request, so their absence is not reported
        fidelity=read_csv(nulls, columns=("variant", "image"), text=("image",)) if nulls.exists() else None,
        cascade=read_csv(cascade, columns=CASCADE_COLUMNS, text=("image", "layer")) if cascade.exists() else None,
    )


def _pairs(arrays: dict[str, np.ndarray]) -> dict[MapKey, MapPair]:
    pairs = {}
    for name in set(arrays) - {DESCRIPTION}:
        image, layer, index, kind = name.rsplit("/", 3)
        other = f"{image}/{layer}/{index}/reconstruction"
        if kind == "activation" and other in arrays:
            pair = MapPair(arrays[name].astype(np.float32), arrays[other].astype(np.float32))
            pairs[MapKey(image, int(layer), int(index))] = pair
    return pairs
