"""Safe reading of weight files: ``weights_only=True``, on the CPU, with a strict check of every entry."""

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

PREFIX = "model.net."  # prefix of the bare network in a SaliencyModule
_WRAPPERS = ("state_dict", "model_state_dict")  # used by Lightning and many others; by UNISAL's training checkpoints
_SHARED_PREFIXES = ("module.", "_orig_mod.", "net.")  # added by DataParallel, torch.compile, SaliencyModel
_COUNTER = "num_batches_tracked"  # not used in computations; files of 2018 and earlier lack it


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the bare network's state dict from a checkpoint of this project or another trainer, or from a plain file.

    Wrappers (``state_dict``, ``model_state_dict``) and prefixes that all names share (such as DataParallel's
    ``module.``) are removed.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If it cannot be read, see :func:`read_weight_file`, or holds no tensors.
    """
    return state_dict_in(read_weight_file(path), path)


def state_dict_in(content: Any, path: str | Path) -> dict[str, Tensor]:
    """Extract the bare network's state dict from the content of a file, see :func:`read_state_dict`."""
    for wrapper in _WRAPPERS:
        content = content.get(wrapper, content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        raise CorruptFileError(f"{path} holds no weights: no tensors, nor a state_dict or model_state_dict with some")
    state = {str(name): value for name, value in content.items()}
    inner = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    return _without_shared_prefixes(inner or state)


def load_strictly(net: nn.Module, state: Mapping[str, Tensor], path: str | Path, name: str) -> None:
    """Load all entries of a file into a network, in its own number format; for the arguments see `require_fit`.

    Raises:
        CorruptFileError: See `require_fit`.
    """
    require_fit(net, state, path, name)
    net.load_state_dict(state, strict=False)


def require_fit(net: nn.Module, state: Mapping[str, Tensor], path: str | Path, name: str) -> None:
    """Raise if weights do not fit a network.

    Args:
        name: Name of the network in the error message.

    Raises:
        CorruptFileError: If an entry is missing, unexpected, NaN or infinite, or has another shape or a type that
            cannot hold weights (integer, boolean, complex). The message gives the number of entries and the first of
            them.
    """
    own = net.state_dict()
    needed = [key for key in own if not key.endswith(_COUNTER)]
    missing = [key for key in needed if key not in state]
    unexpected = [key for key in state if key not in own]
    problems = []
    if missing:
        problems.append(f"it lacks {len(missing)} of {len(needed)} entries, the first is {missing[0]}")
    if unexpected:
        problems.append(f"{len(unexpected)} of its entries are not the network's, the first is {unexpected[0]}")
    known = [key for key in own if key in state]
    problems += [_difference(key, state[key], own[key]) for key in known if not _alike(state[key], own[key])]
    problems += [f"its {key} holds NaN or infinity" for key in known if not problems and not _is_finite(state[key])]
    if problems:
        raise CorruptFileError(f"{path} does not fit {name}: {'; '.join(problems[:3])}")


def read_weight_file(path: str | Path) -> dict[str, Any]:
    """Read a file of ``torch.save`` (of any version) or safetensors to the CPU, without running code from it.

    Raises:
        MissingFilesError: If the file does not exist.
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
        with warnings.catch_warnings():  # the error below covers what these warnings report
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError:
        raise
    except Exception as error:  # damaged bytes cause many types of errors, including OSError
        raise CorruptFileError(f"{path} cannot be read as a weight file{_reason(error)}") from error
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return content


def _reason(error: BaseException) -> str:
    """Return the reason why a file cannot be read, from the error of reading it."""
    wanted = re.search(r"GLOBAL (\w+(?:\.\w+)+)", str(error))
    if wanted is not None:
        return (
            f": it asks to run {wanted.group(1)}, which was not done. Weight files are only read as data; the author "
            "of this file can save the state_dict() instead."
        )
    return (
        f" ({type(error).__name__}): truncated, not a torch file, or a pickle of more than tensors and plain "
        "values; no code was run. Copy it again and compare its checksum."
    )


def _without_shared_prefixes(state: dict[str, Any]) -> dict[str, Any]:
    shared = next((p for p in _SHARED_PREFIXES if all(name.startswith(p) for name in state)), None)
    if shared is None:
        return state
    return _without_shared_prefixes({name.removeprefix(shared): value for name, value in state.items()})


def _alike(value: object, own: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == own.shape and _same_kind(value, own)


def _same_kind(value: Tensor, own: Tensor) -> bool:
    """Return whether both hold real numbers, or neither; a batch counter may have any type."""
    return value.is_floating_point() == own.is_floating_point() or not own.is_floating_point()


def _is_finite(value: Tensor) -> bool:
    return not value.is_floating_point() or bool(value.isfinite().all())


def _difference(key: str, value: object, own: Tensor) -> str:
    found = f"the shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"the type {type(value).__name__}"
    if isinstance(value, Tensor) and value.shape == own.shape:
        return f"its {key} has the type {str(value.dtype).removeprefix('torch.')}, which holds no weights"
    return f"its {key} has {found} in place of {tuple(own.shape)}"
