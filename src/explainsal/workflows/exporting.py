"""Export a network as a file for other programs."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn

from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.export import SUFFIXES, export_model
from explainsal.models.export import check_format as check_format
from explainsal.models.published import trained_on
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.manifest import git_state
from explainsal.workflows.loading import model_name


def export(
    model: nn.Module,
    folder: Path,
    *,
    to: Path | None = None,
    format: Literal["onnx", "torch_export"] = "onnx",
    size: tuple[int, int] | None = None,
    bare: bool = False,
) -> Path:
    """Write a network as one file, and check the file against the network.

    Args:
        folder: Folder of the file, which gets the network's name unless `to` is given.
        format: ``"onnx"``, or ``"torch_export"`` for ``torch.export.load``.
        size: Height and width of input images; None: any size that the network allows.
        bare: Export the network alone, without pre- and post-processing.

    Returns:
        The file.

    Raises:
        UserError: If the model is a classical one, or the file name does not fit the format.
    """
    check_format(format)
    if not isinstance(model, SaliencyModel):
        raise UserError(f"{model_name(model)} is a classical model; only networks are exported: give checkpoint=...")
    path = to or folder / f"{model.name}{SUFFIXES[format]}"
    if path.suffix != SUFFIXES[format]:
        raise UserError(f"to={path}: a file with format={format} must end in {SUFFIXES[format]}")
    difference = export_model(model, path, format=format, size=size, bare=bare, metadata=origin(model))
    print(f"{describe_export(model, size, bare=bare)}: its maps differ by {difference:.1e} of the largest value")
    print(f"model: {path} ({path.stat().st_size / 1e6:.1f} MB)")
    return path


def describe_export(model: SaliencyModel, size: tuple[int, int] | None, *, bare: bool) -> str:
    """Describe the exported network and its input images."""
    if size is not None:
        taken = f"{size[0]} x {size[1]} pixels"
    else:
        taken = f"any multiples of {model.grid} pixels" if bare and model.grid > 1 else "any size"
    return f"{'the bare ' if bare else ''}{model.name} for images of {taken}"


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """Return height and width of ``size=[H,W]``.

    Raises:
        UserError: If the size is not two positive whole numbers.
    """
    if size is None:
        return None
    sides = list(size) if not isinstance(size, int | float | str) else []
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise UserError(f"size={size}: give height and width in pixels, size=[480,640]")
    return sides[0], sides[1]


def origin(model: SaliencyModel) -> dict[str, Any]:
    """Describe the origin of the network, as metadata of the file."""
    return {
        "options": model.options,
        "weights": Path(model.weights).name if model.weights else UNTRAINED,
        "trained_on": trained_on(model.weights) if model.weights else {},
        "explainsal": importlib.metadata.version("explainsal"),
        "commit": git_state()[0],
    }
