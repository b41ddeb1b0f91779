"""Train, evaluate and explain visual saliency networks.

The package imports quickly, since names and subpackages are loaded at first use.

>>> import explainsal
>>> net = explainsal.load_model("cmrnet_eyes")
>>> type(net).__name__
'SaliencyModel'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from explainsal.threads import wait_passively

if TYPE_CHECKING:
    from explainsal.datamodules.folder import FolderDataModule as FolderDataModule
    from explainsal.datamodules.mit1003 import MIT1003DataModule as MIT1003DataModule
    from explainsal.datamodules.osie import OSIEDataModule as OSIEDataModule
    from explainsal.datamodules.salicon import SaliconDataModule as SaliconDataModule
    from explainsal.distillation import Distillation as Distillation
    from explainsal.explanation import Explainer as Explainer
    from explainsal.explanation import Explanation as Explanation
    from explainsal.metrics import SaliencyMetrics as SaliencyMetrics
    from explainsal.models import UNISAL as UNISAL
    from explainsal.models import CMRNet as CMRNet
    from explainsal.models import MSINet as MSINet
    from explainsal.models import SaliencyModel as SaliencyModel
    from explainsal.types import DensityMap as DensityMap
    from explainsal.types import FixationBatch as FixationBatch
    from explainsal.workflows.loading import load_model as load_model

    __version__: str

wait_passively()  # before PyTorch is imported

_PUBLIC = {
    "CMRNet": "models",
    "DensityMap": "types",
    "Distillation": "distillation",
    "Explainer": "explanation",
    "Explanation": "explanation",
    "FixationBatch": "types",
    "FolderDataModule": "datamodules.folder",
    "MIT1003DataModule": "datamodules.mit1003",
    "MSINet": "models",
    "OSIEDataModule": "datamodules.osie",
    "SaliconDataModule": "datamodules.salicon",
    "SaliencyMetrics": "metrics",
    "SaliencyModel": "models",
    "UNISAL": "models",
    "load_model": "workflows.loading",
}
_SUBPACKAGES = (
    "callbacks", "classical", "data", "datamodules", "distillation", "explanation", "functional", "metrics", "models",
    "modules", "reporting", "tracing", "workflows",
)  # fmt: skip
__all__ = ["__version__", *_PUBLIC, *_SUBPACKAGES]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"explainsal.{_PUBLIC[name]}"), name)
    if name in _SUBPACKAGES:
        return importlib.import_module(f"explainsal.{name}")
    if name == "__version__":
        from importlib.metadata import version

        return version("explainsal")
    raise AttributeError(f"module 'explainsal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
