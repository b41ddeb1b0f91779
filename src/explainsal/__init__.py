"""Train, evaluate and explain visual saliency networks.

>>> import explainsal
>>> net = explainsal.load_model("cmrnet", width=4)
>>> type(net).__name__
'SaliencyModel'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from explainsal.threads import wait_passively

if TYPE_CHECKING:
    from explainsal.explanation import Explainer as Explainer
    from explainsal.workflows.loading import load_model as load_model

wait_passively()  # before PyTorch is imported

_PUBLIC = {"load_model": "explainsal.workflows.loading", "Explainer": "explainsal.explanation"}
__all__ = ["Explainer", "load_model"]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module 'explainsal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
