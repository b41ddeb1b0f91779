"""The explanation without its network, as a model like any other: ``load_model("standalone", weights=FILE)``.

The file is what ``python -m explainsal.distill`` writes; no network is loaded or needed. What the graph is and how
it is fitted: docs/decisions/0023.
"""

from __future__ import annotations

from pathlib import Path

from explainsal.distillation import load_standalone
from explainsal.errors import MissingFilesError, UserError
from explainsal.models.saliency_model import SaliencyModel


def build(*, weights: str | Path | None = None) -> SaliencyModel:
    """The model in a file of ``explainsal.distill``; the file says everything, so there are no options.

    Raises:
        UserError: If no file is given, it is of another version, or its fit has not ended.
    """
    if weights is None:
        raise MissingFilesError(
            "a standalone model is its file: give weights=outputs/.../standalone.safetensors, as "
            "`python -m explainsal.distill checkpoint=... data=...` writes it"
        )
    net, note = load_standalone(weights)
    if not note.get("finished", True):
        raise UserError(
            f"{weights} is an interrupted fit, with {len(net.stages)} of its stages. Go on with "
            f"python -m explainsal.distill ... resume={Path(weights).parent}"
        )
    model = SaliencyModel(net, name="standalone", options={}, input_size=net.input_size).eval()
    model.weights = str(weights)
    return model
