"""Saliency networks, one per file, and the wrapper that gives them one contract: images in, saliency maps out."""

from explainsal.models.cmrnet import CMRNet
from explainsal.models.loading import load_network
from explainsal.models.msinet import MSINet
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.unisal import UNISAL

__all__ = ["UNISAL", "CMRNet", "MSINet", "SaliencyModel", "load_network"]
