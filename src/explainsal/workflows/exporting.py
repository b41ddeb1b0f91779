"""A network as a file for other programs: ``python -m explainsal.export checkpoint=best.ckpt format=onnx``."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from explainsal.app.record import git_state
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.export import SUFFIXES, export_model
from explainsal.models.published import trained_on
from explainsal.models.saliency_model import UNTRAINED
from explainsal.workflows.loading import PACKAGED, model_name, model_of


def export(cfg: DictConfig) -> Path:
    """Write the model as one file, checked against the model itself; returns the file."""
    if cfg.format not in SUFFIXES:
        raise UserError(f"format={cfg.format}: choose one of {', '.join(SUFFIXES)}")
    model = model_of(cfg, PACKAGED)
    if not isinstance(model, SaliencyModel):
        raise UserError(f"{model_name(model)} is a classical model; only networks are exported: give checkpoint=...")
    path = Path(cfg.to or Path(cfg.paths.output) / f"{model.name}{SUFFIXES[cfg.format]}")
    if path.suffix != SUFFIXES[cfg.format]:
        raise UserError(f"to={path}: a file of format={cfg.format} ends in {SUFFIXES[cfg.format]}")
    difference = export_model(model, path, format=cfg.format, size=size_of(cfg), bare=cfg.bare, metadata=origin(model))
    print(f"{taken(cfg, model)}: its maps differ by {difference:.1e} of the largest value")
    print(f"model: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return path


def taken(cfg: DictConfig, model: SaliencyModel) -> str:
    """What was exported, and the images that it takes, in words."""
    if cfg.size is not None:
        size = f"{cfg.size[0]} x {cfg.size[1]} pixels"
    else:
        size = f"any multiples of {model.grid} pixels" if cfg.bare and model.grid > 1 else "any size"
    return f"{'the bare ' if cfg.bare else ''}{model.name} for images of {size}"


def size_of(cfg: DictConfig) -> tuple[int, int] | None:
    """Height and width that ``size=[H,W]`` asks for.

    Raises:
        UserError: If these are not two positive whole numbers.
    """
    if cfg.size is None:
        return None
    sides = list(cfg.size) if not isinstance(cfg.size, int | float | str) else []
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UserError(f"size={cfg.size}: give height and width in pixels, size=[480,640]")
    return sides[0], sides[1]


def origin(model: SaliencyModel) -> dict[str, Any]:
    """Where the model comes from: it stays in the file."""
    return {
        "options": model.options,
        "weights": Path(model.weights).name if model.weights else UNTRAINED,
        "trained_on": trained_on(model.weights) if model.weights else {},
        "explainsal": importlib.metadata.version("explainsal"),
        "commit": git_state()[0],
    }
