"""Load any network or classical model by its name, and describe it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Literal, overload

import torch
from torch import nn

from explainsal.classical import MODELS, classical_model, classical_name
from explainsal.distillation.graph import GRAPH
from explainsal.distillation.graph import build as build_graph
from explainsal.distillation.model import build as build_standalone
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.complexity import complexity
from explainsal.models.loading import NETWORKS as PLAIN_NETWORKS
from explainsal.models.loading import load_network
from explainsal.models.saliency_model import UNTRAINED

log = logging.getLogger(__name__)

PACKAGED = "cmrnet_eyes"  # the trained network that comes with the project
NETWORKS = (*PLAIN_NETWORKS, "standalone", GRAPH)
Classical = Literal[
    "center_gaussian", "chance", "gbvs", "hft", "icl", "itti", "rare_style", "signature", "sim2011", "sim_grouping",
    "spectral_residual",
]  # fmt: skip


@overload
def load_model(name_or_checkpoint: Classical, weights: None = None, **options: Any) -> nn.Module: ...  # type: ignore[overload-overlap]
@overload
def load_model(name_or_checkpoint: str | Path, weights: str | Path | None = None, **options: Any) -> SaliencyModel: ...
def load_model(name_or_checkpoint: str | Path, weights: str | Path | None = None, **options: Any) -> nn.Module:
    """Build a model by name, or restore the network of a checkpoint.

    A network without weights is returned with a warning.

    Args:
        name_or_checkpoint: A network (``"cmrnet"``), a classical model (``"itti"``), or the path of a ``.ckpt`` file
            written by ``explainsal.train``.
        weights: File with the weights of a network; without it a named network is untrained.
        options: Arguments of the network's ``build`` or of the classical model's class, e.g. ``width=32``.

    Returns:
        Maps RGB images ``(B, 3, H, W)``, floating point in [0, 1] or uint8, to non-negative maps ``(B, 1, H, W)``.
        A network is a :class:`~explainsal.models.SaliencyModel`.

    Raises:
        UserError: If the name or file does not exist, the file does not fit, or a classical model gets weights.

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
    model = load_network(
        name_or_checkpoint, weights, others={"standalone": build_standalone, GRAPH: build_graph}, **options
    )
    warn_if_untrained(model)
    return model


def warn_if_untrained(model: nn.Module) -> None:
    """Log a warning if the model is a network with random weights."""
    if isinstance(model, SaliencyModel) and not model.trained:
        log.warning(
            "%s has %s, so its maps are not predictions of gaze. Give weights=published (UNISAL, MSI-Net), "
            "weights=FILE or checkpoint=FILE",
            *(model.name, UNTRAINED),
        )


def with_preprocessing(model: nn.Module) -> nn.Module:
    """Wrap a bare network, such as a class named by ``+model._target_=``, so that it accepts any RGB images.

    The network keeps its weights; whether they are trained is unknown. A module without parameters is not a network and
    is returned unchanged.
    """
    if isinstance(model, SaliencyModel) or classical_name(model) or not any(True for _ in model.parameters()):
        return model
    wrapped = SaliencyModel(model, name=type(model).__name__.lower(), options={}, input_size=None).eval()
    wrapped.weights = "as it was built"
    return wrapped


def require_network(model: nn.Module) -> SaliencyModel:
    """Return the model; raise a UserError if it is a classical model, which has no layers."""
    if not isinstance(model, SaliencyModel):
        raise UserError(
            f"{model_name(model)} is not a network: it has no layers to rebuild. Explain a network (checkpoint=... or "
            "model=cmrnet weights=...), and compare it with this one through evaluation.baselines=[...]"
        )
    return model


def model_name(model: nn.Module) -> str:
    """Return the name of a model in tables and records."""
    return model.name if isinstance(model, SaliencyModel) else classical_name(model) or type(model).__name__


def description(model: nn.Module) -> str:
    """Return a label for the model's outputs (such as "untrained weights"); usually empty."""
    return str(getattr(model, "description", ""))


def describe(model: nn.Module) -> dict[str, Any]:
    """Describe a model for the record of a run: name, size, weights."""
    if not isinstance(model, SaliencyModel):
        return {"name": model_name(model)}
    with torch.no_grad():
        device = next((p.device for p in model.parameters()), torch.device("cpu"))
        channels = model.preprocess(torch.zeros(1, 3, 64, 64, device=device)).shape[1]
    size = complexity(model.net, model.input_size or (320, 480), channels=channels, name=model.name)
    return {
        "name": model.name,
        "parameters": size.parameters,
        "macs": size.macs,
        "input_size": model.input_size,
        "weights": model.weights or UNTRAINED,
    }
