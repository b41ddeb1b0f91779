"""Default CMRNet of the commands: small, trained on two eye-tracking data sets and on the maps of a teacher.

It was trained from scratch on OSIE, MIT1003 and the densities of the published UNISAL. Its weight card,
``pretrained/cmrnet_eyes.safetensors.card.json``, lists its training data and scores.
"""

from __future__ import annotations

from pathlib import Path

from explainsal.models.packaged import build_packaged
from explainsal.models.saliency_model import SaliencyModel


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """Build CMRNet of width 32 at 144 x 192 pixels with its trained weights, stored in float16.

    Args:
        weights: Other weights of the same network. Default: the packaged ones.

    Example:
        >>> build().trained
        True
    """
    return build_packaged("cmrnet_eyes", (144, 192), weights)
