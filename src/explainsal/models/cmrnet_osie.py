"""The CMRNet that comes with this project: small, trained on the eye fixations of OSIE, ready to be explained.

Its weight card, ``pretrained/cmrnet_osie.safetensors.card.json``, says what it was trained on and how it scores.
"""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file

from explainsal.models.cmrnet import CMRNet
from explainsal.models.saliency_model import SaliencyModel

WEIGHTS = Path(__file__).resolve().parent / "pretrained" / "cmrnet_osie.safetensors"
WIDTH, INPUT_SIZE = 32, (96, 128)


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """CMRNet of width 32 at 96 x 128 pixels with its trained weights, stored in float16.

    Args:
        weights: Other weights of the same network; default the packaged ones.

    Example:
        >>> build().trained
        True
    """
    options: dict[str, object] = {}
    model = SaliencyModel(CMRNet(WIDTH), name="cmrnet_osie", options=options, input_size=INPUT_SIZE)
    if weights is not None:
        return model.load_weights(weights)
    model.net.load_state_dict({name: value.float() for name, value in load_file(WEIGHTS).items()})
    model.weights = str(WEIGHTS)
    return model
