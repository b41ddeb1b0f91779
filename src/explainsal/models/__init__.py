"""Saliency networks, one per file, and the wrapper that gives all of them the same interface."""

from explainsal.models.cmrnet import CMRNet
from explainsal.models.loading import load_network
from explainsal.models.msinet import MSINet
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.unisal_network import UNISAL

__all__ = ["UNISAL", "CMRNet", "MSINet", "SaliencyModel", "load_network"]
