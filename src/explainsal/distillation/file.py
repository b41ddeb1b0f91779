"""The standalone model as one safetensors file: numbers as tensors, the graph as JSON in its header."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from explainsal.distillation.network import Standalone
from explainsal.distillation.stage import Stage, StageTerms
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.explanation.bank import FilterBank
from explainsal.fetch.writing import write_file

VERSIONS = (1, 2)  # of the format; files of other versions are rejected, because their graph may differ in meaning
_KEY = "explainsal.standalone"
_TERMS = tuple(field.name for field in fields(StageTerms))


def save_standalone(model: Standalone, path: str | Path, note: dict[str, Any] | None = None) -> Path:
    """Write a model; an existing file is replaced only after the new one is complete.

    Args:
        path: Path that ends in ``.safetensors``.
        note: Plain values stored with it, e.g. its origin.
    """
    path = Path(path)
    bank = asdict(model.bank)
    bank.pop("filters")
    stages = [{"name": s.name, "size": s.size, "sources": s.sources, "channels": s.channels} for s in model.stages]
    graph = {
        "version": 1 if model.output == "map" else 2, "output": model.output,
        "bank": bank, "input_maps": model.input_kind, "input_size": model.input_size,
        "stages": stages, "note": note or {}, "written_by": f"explainsal {version('explainsal')}",
    }  # fmt: skip
    tensors: dict[str, Tensor] = {
        f"{number}.{name}": _short(getattr(stage, name).detach().cpu().contiguous())
        for number, stage in enumerate(model.stages)
        for name in _TERMS
    }
    write_file(path, save(tensors, metadata={_KEY: json.dumps(graph)}))  # save_file would deny other users access
    return path


def _short(values: Tensor) -> Tensor:
    """Store indices in two bytes; there are far fewer filters, maps and sources than 32,768."""
    return values if values.is_floating_point() else values.short()


def _whole(values: Tensor) -> Tensor:
    return values if values.is_floating_point() else values.long()


def load_standalone(path: str | Path) -> tuple[Standalone, dict[str, Any]]:
    """Read a model and its note without executing anything in the file.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If it is truncated, or not a standalone model.
        UserError: If another version of this project wrote it.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFilesError(f"no standalone model at {path.absolute()}: distill a network to make one")
    graph, tensors = _read(path)
    if graph.get("version") not in VERSIONS:
        raise UserError(
            f"{path} is a standalone model of format {graph.get('version')}, and this version of explainsal reads "
            f"formats {' and '.join(map(str, VERSIONS))}. Distill it again, or use the version that wrote it "
            f"({graph.get('written_by', 'the version is unknown')})"
        )
    try:
        return _model(graph, tensors), graph["note"]
    except (KeyError, TypeError, ValueError, IndexError, RuntimeError) as error:
        raise CorruptFileError(f"{path} does not hold a complete model ({type(error).__name__}: {error})") from error


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, "pt") as file:
            header, tensors = file.metadata() or {}, {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if _KEY not in header:
            raise CorruptFileError(f"{path} is not a standalone model: explainsal.distill did not write it")
        return json.loads(header[_KEY]), tensors
    except CorruptFileError:
        raise
    except Exception as error:  # safetensors raises its own, unexported type
        raise CorruptFileError(f"{path} cannot be read ({type(error).__name__}: {error}). Copy it again.") from error


def _model(graph: dict[str, Any], tensors: dict[str, Tensor]) -> Standalone:
    stored = dict(graph["bank"])
    if "orientations" in stored:  # key in files written before n_wavelengths had a name
        stored["n_orientations"] = stored.pop("orientations")
    bank = FilterBank(**stored)
    stages = []
    for number, entry in enumerate(graph["stages"]):
        terms = StageTerms(**{name: _whole(tensors[f"{number}.{name}"]) for name in _TERMS})
        _check(terms, len(entry["sources"]), len(bank))
        size = (int(entry["size"][0]), int(entry["size"][1]))
        stages.append(Stage(entry["name"], size, tuple(entry["sources"]), tuple(entry["channels"]), terms, bank))
    size = (int(graph["input_size"][0]), int(graph["input_size"][1]))
    return Standalone(bank, graph["input_maps"], size, stages, graph.get("output", "map"))


def _check(terms: StageTerms, sources: int, filters: int) -> None:
    if not bool((terms.source < sources).all() and (terms.filter < filters).all()):
        raise ValueError("a term refers to a source or a filter that is not there")
    if not bool(torch.isfinite(terms.weight).all()):
        raise ValueError("a weight is not finite")
