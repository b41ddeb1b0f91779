"""The explanation without its network, as an ordinary model: ``load_model("standalone")``.

The packaged file was learned from the published UNISAL and from fixations; ``weights=FILE`` takes another one
that ``python -m explainsal.distill`` wrote. No network is loaded or needed. docs/decisions/0023 describes the graph and
its fit, ``pretrained/standalone.safetensors.card.json`` its training data and scores.
"""

from __future__ import annotations

from pathlib import Path

from explainsal.distillation import load_standalone
from explainsal.errors import UserError
from explainsal.models.packaged import packaged_file
from explainsal.models.saliency_model import SaliencyModel


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """Build the model in a file of ``explainsal.distill``; the file defines everything, so there are no options.

    Args:
        weights: The file. Default: the packaged one.

    Raises:
        UserError: If the file has another version, or its fit is incomplete.

    Example:
        >>> build().net.coefficients
        3633
    """
    weights = packaged_file("standalone") if weights is None else weights
    net, note = load_standalone(weights)
    if not note.get("finished", True):
        raise UserError(
            f"{weights} is an interrupted fit, with {len(net.stages)} of its stages: resume the "
            f"distillation in {Path(weights).parent}"
        )
    model = SaliencyModel(net, name="standalone", options={}, input_size=net.input_size).eval()
    model.weights = str(weights)
    return model
