"""UNISAL against the published code on synthetic weights (shared/fixtures/networks, NETWORKS.md 33-37)."""

from __future__ import annotations

import copy
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from tests.models.rule import unisal_kind, unisal_state
from tests.models.stages import watched

from explainsal.explanation import Explainer
from explainsal.functional.losses import kl_div_nss_cc
from explainsal.models import UNISAL, load_network
from explainsal.models.unisal import build, network_size
from explainsal.models.unisal_parts import prior_maps

LOGP, STAGE, DYNAMIC = 3e-4, 5e-4, 1e-3  # RULE.md
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "unisal_synthetic.npz"


@pytest.fixture(scope="module")
def net() -> UNISAL:
    net = UNISAL().eval()
    net.load_state_dict(unisal_state(net.state_dict()))
    return net


@pytest.fixture(scope="module")
def model(net):
    model = build()
    model.net = net
    return model.eval()


@pytest.fixture(scope="module")
def networks(shared) -> Path:
    return shared / "fixtures" / "networks"


@pytest.fixture(scope="module")
def stages(networks):
    return np.load(networks / "unisal_stages_160x224.npz")


@pytest.fixture(scope="module")
def picture(networks) -> torch.Tensor:
    return normalised(np.asarray(Image.open(networks / "unisal_input_160x224.png")))


def normalised(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(((picture / 255 - MEAN) / STD).astype(np.float32)).permute(2, 0, 1)[None]


def test_every_entry_of_the_state_dict_is_upstreams(networks, net):
    manifest = json.loads((networks / "unisal_manifest.json").read_text())
    state, parameters = net.state_dict(), {name for name, _ in net.named_parameters()}
    entries = manifest["state_dict"]
    assert len(entries) == len(state) == 835
    for entry in entries:
        value = state[entry["key"]]
        assert list(value.shape) == entry["shape"], entry["key"]
        assert (entry["key"] in parameters) == entry["parameter"], entry["key"]
        assert unisal_kind(entry["key"]) == entry["kind"], entry["key"]
        if value.dtype == torch.float32:
            assert f"{zlib.crc32(value.numpy().astype('<f4').tobytes()):08x}" == entry["crc32"], entry["key"]


STAGES = {
    "cnn_features_0": "cnn.features.0", "feat_4x__cnn_features_7": "cnn.features.7",
    "feat_2x__cnn_features_14": "cnn.features.14", "cnn_features_17": "cnn.features.17",
    "feat_1x__cnn_features_18": "cnn.features.18", "skip_2x": "skip_2x", "skip_4x": "skip_4x",
    "post_cnn": "post_cnn", "upsampling_1": "upsampling_1", "upsampling_2": "upsampling_2",
    "post_upsampling_2": "post_upsampling_2", "adaptation": "adaptation_salicon", "smoothing": "smoothing_salicon",
}  # fmt: skip


def test_every_stage(net, picture, stages):
    final, seen = watched(net, picture, STAGES)
    for name, value in seen.items():
        step = 4 if name == "cnn_features_0" else 1
        assert_allclose(value[::step], stages[name], atol=STAGE, rtol=0, err_msg=name)
    priors = prior_maps(net.coarse_gaussians_salicon, (5, 7)).detach()
    assert_allclose(priors, stages["gaussian_maps"], atol=STAGE, rtol=0)
    assert_allclose(final[0], stages["final_logp_SALICON"], atol=LOGP, rtol=0)


@pytest.mark.parametrize("domain", ["DHF1K", "Hollywood", "UCFSports"])
def test_every_domain_without_the_recurrent_unit(net, picture, stages, domain):
    with torch.no_grad():
        assert_allclose(net(picture, domain=domain)[0, 0], stages[f"final_logp_{domain}_static"], atol=LOGP, rtol=0)


def test_a_clip_goes_through_the_recurrent_unit(net, picture, stages):
    clip = torch.stack([picture, picture.flip(-1), picture], dim=1)
    states = []
    handle = net.rnn.register_forward_hook(lambda m, a, out: states.append(out[1]))
    before = torch.get_rng_state()
    with torch.no_grad():
        out = net(clip, domain="DHF1K")
    handle.remove()
    assert torch.equal(torch.get_rng_state(), before)
    assert_allclose(out[0, :, 0], stages["dynamic_logp_DHF1K_3frames"], atol=DYNAMIC, rtol=0)
    assert_allclose(states[0][0], stages["dynamic_hidden_DHF1K"], atol=DYNAMIC, rtol=0)


def test_the_frames_of_a_clip_become_densities_at_their_size(model, net):
    model.options["domain"], frames = "DHF1K", torch.rand(3, 3, 60, 80, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            maps, alone = model.clip(frames), model(frames)
            states = net(model.preprocess(frames)[None], domain="DHF1K")[0]
            assert_allclose(model.for_prediction().clip(frames[:1]), maps[:1], atol=0, rtol=LOGP)
    finally:
        model.options["domain"] = "SALICON"
    assert_allclose(maps, model.postprocess(states, (60, 80)), atol=0, rtol=1e-6)
    assert maps.sum((-2, -1)).flatten().tolist() == pytest.approx([1, 1, 1], abs=1e-5)
    assert (maps - alone).abs().amax() > 1e-3 * alone.amax()  # the recurrent unit was not skipped


@pytest.mark.parametrize(("domain", "time"), [("SALICON", 1), ("Hollywood", 1), ("DHF1K", 2)])
def test_the_copy_for_one_domain_is_the_same_function(net, domain, time):
    exact = copy.deepcopy(net).double()
    frames = torch.randn(1, time, 3, 64, 96, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    quick = exact.for_domain(domain)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in quick.cnn.modules())
    with torch.no_grad():
        assert_allclose(quick(frames, domain=domain), exact(frames, domain=domain), atol=1e-10, rtol=0)
    with pytest.raises(ValueError, match=f"unknown domain 'UCFSports'; this UNISAL knows {domain}"):
        quick(frames, domain="UCFSports")


def test_predictions_differ_by_rounding_and_leave_the_model_as_it_is(model):
    images = torch.rand(2, 3, 60, 80, generator=torch.Generator().manual_seed(0))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    quick = model.for_prediction()
    with torch.no_grad():
        assert_allclose(quick.log_density(images), model.log_density(images), atol=LOGP, rtol=0)
    assert (quick.weights, quick.options, quick.input_size) == (model.weights, model.options, model.input_size)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_target_size_is_reached_before_the_density_is_normalised(net, picture, stages):
    with torch.no_grad():
        out = net(picture, size=(300, 400))
    assert_allclose(out[0, 0, ::2, ::2], stages["final_logp_SALICON_target_300x400_every2"], atol=LOGP, rtol=0)


def test_the_model_does_pre_and_post_processing(networks, model):
    full = np.load(networks / "unisal_full.npz")
    picture = torch.from_numpy(np.asarray(Image.open(networks / "osie_1508.png").convert("RGB")).copy())
    assert zlib.crc32(picture.numpy().tobytes()) == full["decoded_rgb_crc32"].item()
    images = picture.permute(2, 0, 1)[None]
    expected = normalised(np.asarray(Image.open(networks / "unisal_input_288x384.png")))
    assert_allclose(model.preprocess(images), expected, atol=1e-6, rtol=0)
    with torch.no_grad():
        assert_allclose(model.run(expected)[0, 0], full["logp_288x384"], atol=LOGP, rtol=0)
        log_density = model.log_density(images)[0, 0]
        density = model(images.float() / 255)[0, 0]
    assert_allclose(log_density[::5, ::5], full["logp_600x800_every5"], atol=LOGP, rtol=0)
    assert log_density.max().item() == pytest.approx(full["logp_600x800_max"].item(), abs=LOGP)
    assert log_density.exp().sum().item() == pytest.approx(1, abs=1e-9)
    written = torch.floor(255 * density / density.max())
    difference = np.abs(written.numpy() - np.asarray(Image.open(networks / "unisal_map_600x800.png")))
    assert difference.max() <= 1


def test_the_loss_and_its_terms_are_the_originals(stages):
    log_density, density = (torch.from_numpy(stages[name].astype("f4"))[None, None] for name in
                            ("final_logp_SALICON", "loss_sal_u8"))  # fmt: skip
    fixated = torch.from_numpy(stages["loss_fix"])[None, None]
    weights = {"kld": (0, 0), "kld - nss": (1, 0), "kld - cc": (0, 1), "total": (0.1, 0.1)}
    loss = {
        name: kl_div_nss_cc(log_density, density, fixated, nss_weight=nss, cc_weight=cc).item()
        for name, (nss, cc) in weights.items()
    }
    kld, nss, cc, total = stages["loss_kld_nss_cc_total"].tolist()
    assert loss == pytest.approx({"kld": kld, "kld - nss": kld - nss, "kld - cc": kld - cc, "total": total}, abs=2e-6)


@pytest.mark.parametrize(("size", "seed"), [((96, 128), 1), ((128, 96), 2)])
@pytest.mark.parametrize("domain", ["SALICON", "DHF1K"])
def test_pictures_that_no_one_made(net, size, seed, domain):
    stored = np.load(SYNTHETIC)
    name = f"{size[0]}x{size[1]}_seed{seed}"
    with torch.no_grad():
        out = net(normalised(stored[f"image_{name}"]), domain=domain)
    assert_allclose(out[0, 0], stored[f"logp_{domain}_{name}"], atol=LOGP, rtol=0)


def test_networks_are_built_by_name_and_wrong_requests_are_refused():
    model = load_network("unisal", domain="DHF1K")
    assert not model.trained
    output = model.run(torch.zeros(2, 3, 32, 64))
    assert output.shape == (2, 1, 32, 64)
    assert model.as_maps(output).sum((-2, -1)).flatten().tolist() == pytest.approx([1, 1])  # input of a loss
    with pytest.raises(ValueError, match="DHF1K, Hollywood, UCFSports, SALICON"):
        load_network("unisal", domain="salicon")
    with pytest.raises(ValueError, match="multiples of 32"):
        model.net(torch.zeros(1, 3, 33, 64))


@pytest.mark.parametrize("size", [(1, 1000), (1000, 1), (37, 41)])
def test_the_networks_size_is_in_bounds_for_any_image(size):
    height, width = network_size(size)
    assert height % 32 == width % 32 == 0
    assert 100 <= height * width // 1024 <= 120


def test_training_draws_masks_per_sequence_and_evaluation_none(net):
    cell = net.rnn.cell_list[0]
    kept = cell.drop_mask_1.clone()
    cell.start_sequence()
    assert torch.equal(cell.drop_mask_1, kept)
    try:
        cell.train().start_sequence()
        assert set(cell.drop_mask_1.unique().tolist()) <= {0.0, 1.25}
        assert not torch.equal(cell.drop_mask_1, kept)
    finally:
        cell.eval().drop_mask_1 = kept


def test_the_listed_layers_are_those_that_the_published_network_runs(networks, model):
    published = json.loads((networks / "unisal_layers_288x384.json").read_text())
    layers = {layer.name: layer for layer in Explainer(model).layers((600, 800))}
    assert list(layers)[-1] == "smoothing_salicon"
    ran = [
        layer for layer in layers.values() if layer.type in ("Conv2d", "Smoothing", "BatchNorm2d", "ReLU6", "Upsample")
    ]
    wanted = [entry for entry in published if entry["type"] != "Dropout2d"]
    types = {"Smoothing": "Conv2d"}  # including the preceding upsampling
    assert {(layer.name, types.get(layer.type, layer.type), layer.shape) for layer in ran} == {
        (entry["name"], entry["type"], tuple(entry["out"])) for entry in wanted
    }
    assert sum(layer.kind == "conv" for layer in ran) == 66
    assert layers["upsampling_2.inv_res.conv.0"].parents == ("skip_2x.reduction.1.bn_SALICON", "upsampling_1.us1.0")
    assert "passes its input through" in layers["skip_2x.dropout"].skipped


def test_an_explainable_map_is_a_density_as_the_prediction_is(model):
    model.input_size = (96, 128)
    try:
        out = Explainer(model, "sparse", layers=("smoothing_salicon",), top_k=3)(torch.rand(1, 3, 60, 80))
    finally:
        model.input_size = None
    assert out.explainable_map.shape == out.saliency_map.shape == (1, 1, 60, 80)
    assert out.explainable_map.min() >= 0
    assert out.explainable_map.sum().item() == pytest.approx(1, abs=1e-5)
    assert out.saliency_map.sum().item() == pytest.approx(1, abs=1e-5)
