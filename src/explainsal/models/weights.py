"""Weight files are only ever read as data: ``weights_only=True``, onto the CPU, and they have to fit entry by entry."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from explainsal.errors import CorruptFileError, MissingFilesError

PREFIX = "model.net."  # where SaliencyModule keeps the bare network
_WRAPPERS = ("state_dict", "model_state_dict")  # of Lightning and many others; of UNISAL's training checkpoints
_SHARED_PREFIXES = ("module.", "_orig_mod.", "net.")  # of DataParallel, torch.compile, SaliencyModel
_COUNTER = "num_batches_tracked"  # computes nothing; files of 2018 and before have none


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """The bare network's state dict from a checkpoint of this project, of another trainer, or from a plain file.

    Wrappers around it (``state_dict``, ``model_state_dict``) and prefixes that all of its names share (``module.`` of
    DataParallel and the like) are taken off.

    Raises:
        MissingFilesError: If the file is not there.
        CorruptFileError: If it cannot be read, see :func:`read_weight_file`, or holds no tensors.
    """
    return state_dict_in(read_weight_file(path), path)


def state_dict_in(content: Any, path: str | Path) -> dict[str, Tensor]:
    """As :func:`read_state_dict`, of what the file `path` holds."""
    for wrapper in _WRAPPERS:
        content = content.get(wrapper, content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise CorruptFileError(f"{path} holds no weights: no tensors, nor a state_dict or model_state_dict with some")
    state = {str(name): value for name, value in content.items()}
    inner = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    return _without_shared_prefixes(inner or state)


def load_strictly(net: nn.Module, state: Mapping[str, Tensor], path: str | Path, name: str) -> None:
    """Give a network the weights of a file, every entry of them, in its own number format.

    Args:
        net: The network, or a part of it.
        state: What the file holds.
        path: The file, for the message.
        name: What the network is called there.

    Raises:
        CorruptFileError: If an entry is missing, too many, of another shape or of a type that holds no weights (whole
            numbers, truth values, complex numbers), or NaN or infinite: how many, and which is the first.
    """
    own = net.state_dict()
    needed = [key for key in own if not key.endswith(_COUNTER)]
    missing = [key for key in needed if key not in state]
    unexpected = [key for key in state if key not in own]
    said = []
    if missing:
        said.append(f"it lacks {len(missing)} of {len(needed)} entries, the first is {missing[0]}")
    if unexpected:
        said.append(f"{len(unexpected)} of its entries are not the network's, the first is {unexpected[0]}")
    known = [key for key in own if key in state]
    said += [_difference(key, state[key], own[key]) for key in known if not _alike(state[key], own[key])]
    said += [f"its {key} holds NaN or infinity" for key in known if not said and not _is_finite(state[key])]
    if said:
        raise CorruptFileError(f"{path} does not fit {name}: {'; '.join(said[:3])}")
    net.load_state_dict(state, strict=False)


def read_weight_file(path: str | Path) -> dict[str, Any]:
    """Read a file written by ``torch.save``, of any age, or of safetensors, without running code from it, onto the CPU.

    Raises:
        MissingFilesError: If it is not there.
        CorruptFileError: If it is truncated, not a torch file, or holds more than tensors and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFilesError(
            f"no weight file at {path.absolute()}\n"
            "  train one: python -m explainsal.train +experiment=demo   (writes checkpoints/best.ckpt)\n"
            "  published ones: model=unisal weights=published   (or published:VARIANT)"
        )
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():  # of what reading the file then ends in, said below
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes end in a dozen kinds of them, OSError too
        raise CorruptFileError(f"{path} cannot be read as a weight file{_reason(error)}") from error
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def _reason(error: BaseException) -> str:
    """What is wrong with a file, from the error that reading it ended in."""
    wanted = re.search(r"GLOBAL (\w+(?:\.\w+)+)", str(error))
    if wanted is not None:
        return (
            f": it asks to run {wanted.group(1)}, which was not done. A weight file is read as data alone; whoever "
            "made this one can save its state_dict() instead."
        )
    return (
        f" ({type(error).__name__}): truncated, not a torch file, or a pickle of more than tensors and plain "
        "values, of which nothing was run. Copy it again and compare its checksum."
    )


def _without_shared_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    shared = next((p for p in _SHARED_PREFIXES if all(name.startswith(p) for name in state)), None)
    if shared is None:
        return state
    return _without_shared_prefixes({name.removeprefix(shared): value for name, value in state.items()})


def _alike(value: object, own: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == own.shape and _same_kind(value, own)


def _same_kind(value: Tensor, own: Tensor) -> bool:
    """Whether both hold real numbers, or neither; a counter of batches may be stored in any type."""
    return value.is_floating_point() == own.is_floating_point() or not own.is_floating_point()


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())


def _difference(key: str, value: object, own: Tensor) -> str:
    found = f"the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"the type {type(value).__name__}"
    if isinstance(value, Tensor) and value.shape == own.shape:
        return f"its {key} has the type {str(value.dtype).removeprefix('torch.')}, which holds no weights"
    return f"its {key} has {found} in place of {tuple(own.shape)}"
