"""Classical saliency models and baselines. They map images to saliency maps and have no trained weights."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from torch import nn

from explainsal.errors import UserError

MODELS = {
    "center_gaussian": "CenterGaussian",
    "chance": "Chance",
    "gbvs": "GBVS",
    "hft": "HFT",
    "icl": "ICL",
    "itti": "Itti",
    "rare_style": "RareStyle",
    "signature": "Signature",
    "sim2011": "SIM2011",
    "sim_grouping": "SIMGrouping",
    "spectral_residual": "SpectralResidual",
}
"""Name of each model (also the name of its module) -> name of its class. All classes work without arguments.

Models that need fixations are not listed: `center_bias.CenterBias`, `gold_standard.GoldStandard`.
"""


def classical_model(name: str, **options: Any) -> nn.Module:
    """Build a classical model by name.

    Args:
        name: Key of `MODELS`.

    Raises:
        UserError: If the name is unknown, or the model lacks an option.

    Example:
        >>> type(classical_model("itti", blur_fraction=0)).__name__
        'Itti'
    """
    if name not in MODELS:
        raise UserError(f"no classical model named {name!r}; choose among {', '.join(MODELS)}")
    cls = getattr(importlib.import_module(f"explainsal.classical.{name}"), MODELS[name])
    known = inspect.signature(cls).parameters
    unknown = [option for option in options if option not in known]
    if unknown:
        raise UserError(f"{name} has no option {unknown[0]!r}; it has {', '.join(known) or 'none'}")
    model: nn.Module = cls(**options).eval()
    return model


def classical_name(model: nn.Module) -> str | None:
    """Return the name under which `classical_model` builds a model; None for any other module."""
    package, _, module = type(model).__module__.rpartition(".")
    return module if package == __name__ and module in MODELS else None
