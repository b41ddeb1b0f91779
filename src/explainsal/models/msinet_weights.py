"""MSI-Net's weights from TensorFlow files, converted once into a safetensors file in the same folder."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.fetch.writing import replaced_file
from explainsal.models.tensorflow import read_variables, source_file

log = logging.getLogger(__name__)


def variable_name(key: str) -> str:
    """Return the TensorFlow variable of a state dict entry; kernels there have the axes (kh, kw, in, out).

    Example:
        >>> variable_name("conv1.conv1_1.weight"), variable_name("aspp.conv2.bias")
        ('conv1/conv1_1/kernel', 'aspp/conv2/bias')
    """
    return key.replace(".", "/").removesuffix("weight") + ("kernel" if key.endswith("weight") else "")


def read_network(path: str | Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the whole network's state dict from a frozen graph or a SavedModel.

    The first call also writes the entries to ``<file>.safetensors``. Later calls read that file as long as the source
    is unchanged. If the folder is not writable, every call converts the source.

    Args:
        path: File, or folder of a SavedModel.
        state: Required entries, with their shapes.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If the file is damaged, lacks a variable, or a variable has another shape.
    """
    source = source_file(path)
    if not source.is_file():
        raise MissingFilesError(
            f"no weight file at {source.absolute()}\n  published ones: model=msinet weights=published"
        )
    target = source.with_name(f"{source.name}.safetensors")
    stamp = {"source": source.name, "bytes": str(source.stat().st_size), "changed": str(source.stat().st_mtime_ns)}
    converted = _stored(target, stamp)
    if converted is not None and set(converted) == set(state):
        return converted
    entries = _entries(source, {key: variable_name(key) for key in state}, state)
    _store(entries, target, stamp)
    return entries


def _entries(source: Path, names: Mapping[str, str], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    variables = read_variables(source, list(names.values()))
    missing = [name for name in names.values() if name not in variables]
    if missing:
        raise CorruptFileError(
            f"{source} does not hold these weights: it lacks {len(missing)} of {len(names)} variables, the first is "
            f"{missing[0]}"
        )
    entries = {key: _in_torchs_order(variables[name]) for key, name in names.items()}
    for key, value in entries.items():
        if value.shape != state[key].shape:
            raise CorruptFileError(
                f"{source} belongs to another network: {names[key]} has the shape {variables[names[key]].shape}"
            )
    return entries


def _in_torchs_order(value: NDArray[np.float32]) -> Tensor:
    tensor = torch.from_numpy(value)
    return tensor.permute(3, 2, 0, 1).contiguous() if tensor.ndim == 4 else tensor


def _stored(target: Path, stamp: Mapping[str, str]) -> dict[str, Tensor] | None:
    """Return the entries converted earlier from this exact file, or None."""
    try:
        with safe_open(target, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()} if file.metadata() == stamp else None  # noqa: SIM118
    except (OSError, SafetensorError):
        return None


def _store(entries: Mapping[str, Tensor], target: Path, stamp: Mapping[str, str]) -> None:
    try:
        with replaced_file(target) as temporary:
            save_file(dict(entries), temporary, metadata=dict(stamp))
    except (OSError, SafetensorError) as error:
        log.warning("%s cannot be written (%s): the weights will be converted again next time", target, error)
