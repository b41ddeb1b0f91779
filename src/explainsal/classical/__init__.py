"""Models without a network: classical saliency models and baselines. Images in, saliency maps out, no weights."""

from __future__ import annotations

import importlib

from torch import nn

from explainsal.errors import UserError

MODELS = {
    "chance": "chance.Chance",
    "hft": "hft.HFT",
    "icl": "icl.ICL",
    "itti": "itti.Itti",
    "rare_style": "rare.RareStyle",
    "signature": "signature.Signature",
    "sim2011": "sim.SIM2011",
    "sim_grouping": "sim_grouping.SIMGrouping",
    "spectral_residual": "spectral_residual.SpectralResidual",
}
"""Name -> where the class is; all of them need no arguments. The centre bias is learned: `CenterBias.fit`."""


def classical_model(name: str) -> nn.Module:
    """Build a classical model by name.

    Raises:
        UserError: If there is none of this name.

    Example:
        >>> type(classical_model("itti")).__name__
        'Itti'
    """
    if name not in MODELS:
        raise UserError(f"no classical model named {name!r}; choose among {', '.join(MODELS)}")
    module, cls = MODELS[name].split(".")
    return getattr(importlib.import_module(f"explainsal.classical.{module}"), cls)().eval()
