"""From a name or a checkpoint to a model."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

from explainsal.errors import CorruptFileError, UserError
from explainsal.models.saliency_model import RECORD, SaliencyModel
from explainsal.models.weights import read_weight_file

# modules of this package that have a `build`
NETWORKS = (
    "cmrnet",
    "cmrnet_eyes",
    "cmrnet_osie",
    "unisal",
    "msinet",
    "standalone",
    "dinet",
    "sam_resnet",
    "dsclrcn",
    "dva",
)


def load_model(name_or_checkpoint: str | Path, weights: str | Path | None = None, **options: Any) -> SaliencyModel:
    """Build a model by name, or restore the one that a checkpoint of this project holds.

    Args:
        name_or_checkpoint: ``"cmrnet"``, or the path of a ``.ckpt`` file written by ``explainsal.train``.
        weights: File with the weights; without it a named network is untrained.
        options: Arguments of the network's ``build``, e.g. ``width=32``.

    Raises:
        UserError: If there is no such network or file, or the file does not fit.
    """
    if str(name_or_checkpoint) in NETWORKS:
        return _builder(str(name_or_checkpoint)).build(weights=weights, **options).eval()
    path = Path(name_or_checkpoint)
    if path.suffix != ".ckpt" and not path.exists():
        raise UserError(
            f"no model named {str(name_or_checkpoint)!r}; choose {', '.join(NETWORKS)} or a checkpoint file"
        )
    content = read_weight_file(path)
    try:
        description = content[RECORD]
    except KeyError:
        raise CorruptFileError(
            f"{path} was not written by explainsal.train: name its network, weights={path}"
        ) from None
    return _builder(_known(description["name"])).build(**{**description["options"], **options}, weights=path).eval()


def _known(name: str) -> str:
    if name not in NETWORKS:
        raise UserError(f"the checkpoint holds a network {name!r} that this version does not know")
    return name


def _builder(name: str) -> ModuleType:
    """The module that builds a network."""
    return importlib.import_module(
        "explainsal.distillation.model" if name == "standalone" else f"explainsal.models.{name}"
    )
