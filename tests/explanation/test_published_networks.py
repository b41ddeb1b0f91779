"""UNISAL and MSI-Net explained end to end on a real image, with generated weights: the mechanics, in every preset."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models.rule import msinet_state, unisal_state

from explainsal.explanation import Explainer
from explainsal.models import load_network

# few layers of every kind, at a small input, for time: skips, enlargements, dilated branches, the last map
NETWORKS = {
    "unisal": (unisal_state, (96, 128), ("skip_4x.reduction.1.bn_SALICON", "upsampling_2.us2.0",
                                         "adaptation_salicon.0", "smoothing_salicon")),
    "msinet": (msinet_state, (48, 64), ("conv2.conv2_2", "aspp.conv1_2", "decoder.conv3", "decoder.conv4")),
}  # fmt: skip


@pytest.fixture(scope="module")
def photo(shared) -> torch.Tensor:
    picture = np.asarray(Image.open(shared / "fixtures" / "networks" / "osie_1508.png").convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["paper", "normalized", "sparse"])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_real_image_is_explained(photo, name, preset):
    generated, size, layers = NETWORKS[name]
    model = load_network(name, input_size=size)
    model.net.load_state_dict(generated(model.net.state_dict()))
    assert model.description == "untrained weights"
    out = Explainer(model, preset, layers=layers)(photo)
    assert [layer.name for layer in out.layers] == list(layers)
    assert out.explainable_map.shape == out.saliency_map.shape == (1, 1, 600, 800)
    assert torch.isfinite(out.explainable_map).all()
    with torch.no_grad():
        assert torch.allclose(out.saliency_map.float(), model(photo).float(), rtol=1e-4, atol=1e-6)
    if name == "unisal":
        assert out.explainable_map.sum().item() == pytest.approx(1, abs=1e-4)
    else:
        assert out.explainable_map.min() >= 0
        assert out.explainable_map.max() <= 1
    if preset == "sparse":  # generated weights or not, ten terms rebuild the last map far better than by chance
        assert out.layers[-1].weighted_correlation.nanmean() > 0.5  # in the measure that these weights are solved in
        alike = Explainer(model, preset, layers=layers, output_weight=0.0, noise_floor=0.0, pool_size=10)(photo)
        assert alike.layers[-1].correlation.nanmean() > 0.5


@pytest.mark.parametrize(("name", "last"), [
    ("unisal", "smoothing_salicon"), ("msinet", "decoder.conv4"), ("cmrnet_osie", "output"),
])  # fmt: skip
def test_the_layers_are_the_same_in_inference_mode_as_in_the_loops_of_commands(name, last):
    model = load_network(name) if name == "cmrnet_osie" else load_network(name, input_size=(64, 96))
    outside, inside = Explainer(model), Explainer(model)
    assert [layer.name for layer in outside.layers((64, 96))][-1] == last
    with torch.inference_mode():
        assert inside.layers((64, 96)) == outside.layers((64, 96))


@pytest.mark.parametrize(("name", "count"), [("unisal", 68), ("msinet", 30)])
def test_the_papers_layers(name, count):
    """The paper says about 75 and about 30: decision 0011."""
    layers = Explainer(load_network(name, input_size=(96, 128)), layers="paper").layers((96, 128))
    assert sum(layer.skipped is None for layer in layers) == count
