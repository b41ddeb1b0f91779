"""Small CMRNet, trained from scratch on the eye fixations of OSIE alone.

Its weight card, ``pretrained/cmrnet_osie.safetensors.card.json``, lists its training data and scores.
"""

from __future__ import annotations

from pathlib import Path

from explainsal.models.packaged import build_packaged
from explainsal.models.saliency_model import SaliencyModel


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """Build CMRNet of width 32 at 96 x 128 pixels with its trained weights, stored in float16.

    Args:
        weights: Other weights of the same network. Default: the packaged ones.

    Example:
        >>> build().trained
        True
    """
    return build_packaged("cmrnet_osie", (96, 128), weights)
