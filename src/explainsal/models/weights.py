"""Weight files are only ever read as data: ``weights_only=True``, onto the CPU."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from explainsal.errors import CorruptFileError, MissingFilesError

PREFIX = "model.net."  # where SaliencyModule keeps the bare network


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The bare network's state dict from a checkpoint of this project or from a plain state-dict file."""
    content = read_weight_file(path)
    state = content.get("state_dict", content)
    inner = {key.removeprefix(PREFIX): value for key, value in state.items() if key.startswith(PREFIX)}
    return inner or state


def read_weight_file(path: str | Path) -> dict[str, Any]:
    """Read a file written by ``torch.save``, or of safetensors, without running code from it, onto the CPU.

    Raises:
        MissingFilesError: If it is not there.
        CorruptFileError: If it is truncated, not a torch file, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFilesError(
            f"no weight file at {path.absolute()}\n"
            "  train one: python -m explainsal.train +experiment=demo   (writes checkpoints/best.ckpt)\n"
            "  published ones: python -m explainsal.prepare model=unisal   (or msinet; into data/weights)"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise CorruptFileError(
            f"{path} cannot be read as a weight file ({type(error).__name__}): truncated, not a torch file, or it "
            "holds more than tensors and plain values. Copy it again and compare its checksum."
        ) from error
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return content
