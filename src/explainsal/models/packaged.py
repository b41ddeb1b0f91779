"""Small models that this project includes: CMRNets with weights in float16, the standalone model, and their cards."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from explainsal.fetch.fingerprints import sha256
from explainsal.models.cmrnet import CMRNet
from explainsal.models.published import write_card
from explainsal.models.saliency_model import SaliencyModel

FOLDER = Path(__file__).resolve().parent / "pretrained"


def packaged_file(name: str) -> Path:
    """Return the path of a packaged network's weight file."""
    return FOLDER / f"{name}.safetensors"


def build_packaged(name: str, input_size: tuple[int, int], weights: str | Path | None = None) -> SaliencyModel:
    """Build a CMRNet of width 32, by default with its packaged weights.

    Args:
        name: Name of the network, of the module that builds it, and of its files.
        input_size: Height and width that images are resized to.
        weights: Other weights of the same network.
    """
    model = SaliencyModel(CMRNet(32), name=name, options={}, input_size=input_size)
    if weights is not None:
        return model.load_weights(weights)
    file = packaged_file(name)
    model.net.load_state_dict({key: value.float() for key, value in load_file(file).items()})
    model.weights = str(file)
    return model


def package_network(model: SaliencyModel, path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Write the weights of a trained network in float16, and their card.

    Args:
        path: The file to write, ``NAME.safetensors``.
        card: Entries that cannot be derived from the file: network, licence, trained_on, unseen_splits, recipe, scores.

    Returns:
        The complete card.
    """
    state = {key: value.half().contiguous() for key, value in model.net.state_dict().items()}
    save_file(state, path)
    return write_packaged_card(path, card)


def write_packaged_card(path: Path, card: dict[str, Any]) -> dict[str, Any]:
    """Write the card of a packaged file, and return it.

    Args:
        path: The file, ``NAME.safetensors``.
        card: Entries that cannot be derived from the file, as for `package_network`.
    """
    known = {
        "model": path.stem,
        "file": path.name,
        "bytes": path.stat().st_size,
        "sha256": sha256(path),
    }
    whole = known | card | {"date": datetime.now(UTC).date().isoformat()}
    write_card(path, whole)
    return whole
