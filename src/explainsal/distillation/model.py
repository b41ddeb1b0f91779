"""The explanation without its network, as an ordinary model: ``load_model("standalone", weights=FILE)``.

``python -m explainsal.distill`` writes the file; no network is loaded or needed. docs/decisions/0023 describes the
graph and its fit.
"""

from __future__ import annotations

from pathlib import Path

from explainsal.distillation import load_standalone
from explainsal.errors import MissingFilesError, UserError
from explainsal.models.saliency_model import SaliencyModel


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """Build the model in a file of ``explainsal.distill``; the file defines everything, so there are no options.

    Raises:
        UserError: If no file is given, it has another version, or its fit is incomplete.
    """
    if weights is None:
        raise MissingFilesError(
            "a standalone model needs its file: give weights=outputs/.../standalone.safetensors, as "
            "`python -m explainsal.distill checkpoint=... data=...` writes it"
        )
    net, note = load_standalone(weights)
    if not note.get("finished", True):
        raise UserError(
            f"{weights} is an interrupted fit, with {len(net.stages)} of its stages. Continue it with "
            f"python -m explainsal.distill ... resume={Path(weights).parent}"
        )
    model = SaliencyModel(net, name="standalone", options={}, input_size=net.input_size).eval()
    model.weights = str(weights)
    return model
