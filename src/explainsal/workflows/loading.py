"""Any model by its name, network or classical, and the one that a command is asked for."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig
from torch import nn

from explainsal.classical import MODELS, classical_model, classical_name
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.complexity import complexity
from explainsal.models.loading import NETWORKS
from explainsal.models.loading import load_model as load_network
from explainsal.models.saliency_model import UNTRAINED
from explainsal.models.weight_sources import locate_weights

log = logging.getLogger(__name__)

PACKAGED = "cmrnet_osie"  # the trained network that comes with the project


def load_model(name_or_checkpoint: str | Path, weights: str | Path | None = None, **options: Any) -> nn.Module:
    """Build a model by name, or restore the network that a checkpoint of this project holds.

    Args:
        name_or_checkpoint: A network (``"cmrnet"``), a classical model (``"itti"``), or the path of a ``.ckpt`` file
            written by ``explainsal.train``.
        weights: File with the weights of a network; without it a named network is untrained.
        options: Arguments of the network's ``build`` or of the classical model's class, e.g. ``width=32``.

    Returns:
        Maps RGB images ``(B, 3, H, W)``, floating point in [0, 1] or uint8, to non-negative maps ``(B, 1, H, W)``.

    Raises:
        UserError: If there is no such name or file, the file does not fit, or a classical model is given weights.

    Example:
        >>> import torch
        >>> load_model("itti")(torch.rand(1, 3, 96, 128)).shape
        torch.Size([1, 1, 96, 128])
    """
    name = str(name_or_checkpoint)
    if name in MODELS:
        if weights is not None:
            raise UserError(f"{name} is a classical model: it has no weights to load")
        return classical_model(name, **options)
    if name not in NETWORKS and Path(name).suffix != ".ckpt" and not Path(name).exists():
        networks, classical = ", ".join(NETWORKS), ", ".join(MODELS)
        raise UserError(f"no model named {name!r}; choose {networks}, {classical}, or a checkpoint file")
    return load_network(name_or_checkpoint, weights, **options)


def model_of(cfg: DictConfig, default: str | None = None) -> nn.Module:
    """The model that a command is asked for: ``checkpoint=...``, or ``model=NAME`` with ``weights=...`` if it has any.

    Args:
        cfg: The command's configuration.
        default: Name of the model where it is asked for none; None: that is an error.

    Raises:
        UserError: If it is asked for none, for both, or for a classical model with weights.
    """
    if default is not None and cfg.checkpoint is None and cfg.get("model") is None:
        print(f"neither checkpoint= nor model= is given: taking {default}, the network that comes with explainsal")
        return load_model(default)
    if (cfg.checkpoint is None) == (cfg.get("model") is None):
        raise UserError(
            "which model? Give either checkpoint=FILE.ckpt (written by explainsal.train) or model=NAME, "
            f"weights=FILE or weights=published; names: {', '.join((*NETWORKS, *MODELS))}"
        )
    model = load_model(cfg.checkpoint) if cfg.checkpoint is not None else _named(cfg)
    if isinstance(model, SaliencyModel) and not model.trained:
        log.warning(
            "%s has %s: this shows the mechanics, not where people look. Give weights=published (UNISAL, MSI-Net), "
            "weights=FILE or checkpoint=FILE",
            *(model.name, UNTRAINED),
        )
    return model


def _named(cfg: DictConfig) -> nn.Module:
    """The model of ``model=NAME``, with ``weights=...`` if they are given."""
    if cfg.weights is None:
        model: nn.Module = instantiate(cfg.model).eval()
        return model
    if "weights" not in cfg.model:
        raise UserError(f"{cfg.model._target_.rpartition('.')[2]} is a classical model: it has no weights to load")
    weights = locate_weights(cfg.weights, cfg.model._target_.split(".")[-2], folder=Path(cfg.paths.weights))
    network: nn.Module = instantiate(cfg.model, weights=str(weights)).eval()
    return network


def network_of(cfg: DictConfig, default: str | None = None) -> SaliencyModel:
    """As `model_of`, for commands that look inside a network.

    Raises:
        UserError: If the model is a classical one.
    """
    model = model_of(cfg, default)
    if not isinstance(model, SaliencyModel):
        raise UserError(
            f"{model_name(model)} is no network: it has no layers to rebuild. Explain a network (checkpoint=... or "
            "model=cmrnet weights=...), and compare with this one by evaluation.baselines=[...]"
        )
    return model


def model_name(model: nn.Module) -> str:
    """How the model is called in a run's record."""
    return model.name if isinstance(model, SaliencyModel) else classical_name(model) or type(model).__name__


def description(model: nn.Module) -> str:
    """What must be said of a model beside everything that it makes: that its weights are untrained; mostly nothing."""
    return str(getattr(model, "description", ""))


def describe(model: nn.Module) -> dict[str, Any]:
    """What a run's record says of its model."""
    if not isinstance(model, SaliencyModel):
        return {"name": model_name(model)}
    size = complexity(model.net, model.input_size or (320, 480))
    return {
        "name": model.name,
        "parameters": size.parameters,
        "macs": size.macs,
        "input_size": model.input_size,
        "weights": model.weights or UNTRAINED,
    }
