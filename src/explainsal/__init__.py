"""Train, evaluate and explain visual saliency networks.

The package imports quickly, since names and subpackages are loaded at first use.

>>> import explainsal
>>> net = explainsal.load_model("cmrnet_eyes")
>>> type(net).__name__
'SaliencyModel'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from explainsal.lazy import import_lazily
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
    from explainsal.version import __version__ as __version__
    from explainsal.workflows.loading import load_model as load_model

wait_passively()  # before PyTorch is imported

_SUBPACKAGES = (
    "callbacks", "classical", "data", "datamodules", "distillation", "explanation", "functional", "metrics", "models",
    "modules", "reporting", "tracing", "workflows",
)  # fmt: skip
__getattr__, __dir__ = import_lazily(__name__, _SUBPACKAGES)
__all__ = __dir__()
