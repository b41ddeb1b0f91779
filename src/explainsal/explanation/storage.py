"""Store explanations on disk: tensors in safetensors, the rest in JSON, with tables for other tools."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.explanation.bank import FilterBank
from explainsal.explanation.layer import Coefficients, ExplainedBatch, LayerExplanation
from explainsal.explanation.options import Options
from explainsal.explanation.per_layer import Tables

_JSON, _TENSORS = "explanation.json", "explanation.safetensors"


def save_explanation(explanation: ExplainedBatch, folder: str | Path, ids: Sequence[str] | None = None) -> Path:
    """Write an explanation with its tables: ``layers.csv``, ``coefficients.parquet``, ``maps.npz`` if maps were kept.

    Args:
        explanation: The explanation.
        folder: Target folder, created if needed; files of these names are replaced.
        ids: A name per image for the tables; default their positions.

    Returns:
        The folder.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {"saliency_map": explanation.saliency_map, "explainable_map": explanation.explainable_map}
    layers = []
    for number, layer in enumerate(explanation.layers):
        tensors |= _tensors(layer, f"layers.{number}.") | _tensors(layer.coefficients, f"layers.{number}.coefficients.")
        layers.append({name: getattr(layer, name) for name in ("name", "type", "kind", "shape", "parents")})
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, folder / _TENSORS)
    content = {"preset": explanation.preset, "options": _as_plain(explanation.options), "layers": layers}
    content["description"] = explanation.description
    (folder / _JSON).write_text(json.dumps(content, indent=1))
    tables = Tables()
    tables.add(explanation, ids)
    tables.save(folder)
    return folder


def read_batch(folder: str | Path) -> dict[str, Any]:
    """Read the fields of an `ExplainedBatch` written by :func:`save_explanation`; no code in the files is executed.

    Raises:
        MissingFilesError: If the folder holds no explanation.
        CorruptFileError: If its files cannot be read.
    """
    folder = Path(folder)
    for name in (_JSON, _TENSORS):
        if not (folder / name).is_file():
            raise MissingFilesError(f"no explanation in {folder}: {name} is missing. Explanation.save writes it")
    try:
        content, tensors = json.loads((folder / _JSON).read_text()), load_file(folder / _TENSORS)
        layers = [_layer(entry, tensors, f"layers.{number}.") for number, entry in enumerate(content["layers"])]
        return {
            "saliency_map": tensors["saliency_map"], "explainable_map": tensors["explainable_map"],
            "layers": tuple(layers), "preset": content["preset"], "options": _as_options(content["options"]),
            "description": content.get("description", ""),
        }  # fmt: skip
    except Exception as error:  # safetensors raises its own, unexported type
        raise CorruptFileError(f"cannot read the explanation in {folder} ({type(error).__name__}: {error})") from error


def _tensors(part: LayerExplanation | Coefficients, prefix: str) -> dict[str, Tensor]:
    values = {f"{prefix}{field.name}": getattr(part, field.name) for field in fields(part)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def _layer(entry: dict[str, Any], tensors: dict[str, Tensor], prefix: str) -> LayerExplanation:
    def read(cls: type, prefix: str) -> dict[str, Tensor | None]:
        return {field.name: tensors.get(f"{prefix}{field.name}") for field in fields(cls)}

    coefficients = Coefficients(**read(Coefficients, f"{prefix}coefficients."))  # type: ignore[arg-type]
    own = read(LayerExplanation, prefix) | entry | {"coefficients": coefficients}
    if own["weighted_correlation"] is None:  # old file without pixel weights
        own["weighted_correlation"] = own["correlation"]
    return LayerExplanation(**{**own, "shape": tuple(entry["shape"]), "parents": tuple(entry["parents"])})


def _as_plain(options: Options) -> dict[str, Any]:
    plain = asdict(options)
    plain["bank"].pop("filters")
    return plain


def _as_options(plain: dict[str, Any]) -> Options:
    layers = plain["layers"] if isinstance(plain["layers"], str) else tuple(plain["layers"])
    bank = FilterBank(**plain["bank"])
    return Options(**{**plain, "bank": bank, "scales": tuple(plain["scales"]), "layers": layers})
