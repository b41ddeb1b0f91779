"""Loading of a network by name or from a checkpoint."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from explainsal.errors import CorruptFileError, UserError
from explainsal.models.saliency_model import RECORD, SaliencyModel
from explainsal.models.weights import read_weight_file

# modules of this package with a function `build`
NETWORKS = ("cmrnet", "cmrnet_eyes", "cmrnet_osie", "unisal", "msinet", "dinet", "sam_resnet", "dsclrcn", "dva")

Builder = Callable[..., SaliencyModel]


def load_network(
    name_or_checkpoint: str | Path,
    weights: str | Path | None = None,
    *,
    others: Mapping[str, Builder] | None = None,
    **options: Any,
) -> SaliencyModel:
    """Build a network by name, or restore it from a checkpoint of this project.

    Args:
        name_or_checkpoint: A name such as ``"cmrnet"``, or the path of a ``.ckpt`` file written by
            ``explainsal.train``.
        weights: File with the weights. None: a named network is untrained.
        others: Builders of networks outside this package, by name.
        options: Arguments of the network's ``build``, e.g. ``width=32``.

    Raises:
        UserError: If the network or file does not exist, or the file does not fit.
    """
    others, name = others or {}, str(name_or_checkpoint)
    if name in (*NETWORKS, *others):
        return _find_builder(name, others)(weights=weights, **options).eval()
    path = Path(name_or_checkpoint)
    if path.suffix != ".ckpt" and not path.exists():
        raise UserError(f"no model named {name!r}; choose {', '.join((*NETWORKS, *others))} or a checkpoint file")
    content = read_weight_file(path)
    try:
        description = content[RECORD]
    except KeyError:
        raise CorruptFileError(
            f"{path} was not written by explainsal.train: name its network, weights={path}"
        ) from None
    if description["name"] not in (*NETWORKS, *others):
        raise UserError(f"the checkpoint holds a network {description['name']!r} that this version does not know")
    build = _find_builder(description["name"], others)
    return build(**{**description["options"], **options}, weights=path).eval()


def _find_builder(name: str, others: Mapping[str, Builder]) -> Builder:
    if name in others:
        return others[name]
    build: Builder = importlib.import_module(f"explainsal.models.{name}").build
    return build
