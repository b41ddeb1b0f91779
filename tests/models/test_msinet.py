"""MSI-Net against the published graph on synthetic weights (shared/fixtures/networks, NETWORKS.md 16-29, 35-37)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image
from tests.models.rule import msinet_state
from tests.models.stages import watched

from explainsal.explanation import Explainer
from explainsal.functional.losses import kl_div
from explainsal.models import MSINet
from explainsal.models.msinet import MSINetModel, build
from explainsal.models.msinet_weights import variable_name

OUTPUT, STAGE, PREPARED = 5e-5, 3e-4, 1e-3  # RULE.md
SYNTHETIC = Path(__file__).resolve().parents[1] / "data" / "msinet_synthetic.npz"


@pytest.fixture(scope="module")
def net() -> MSINet:
    net = MSINet().eval()
    net.load_state_dict(msinet_state(net.state_dict()))
    return net


@pytest.fixture(scope="module")
def networks(shared) -> Path:
    return shared / "fixtures" / "networks"


@pytest.fixture(scope="module")
def stages(networks):
    return np.load(networks / "msinet_stages_104x136.npz")


def pixels(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.array(picture, dtype=np.float32)).permute(2, 0, 1)[None]


def test_every_entry_of_the_state_dict_is_a_variable_of_the_graph(networks, net):
    entries = json.loads((networks / "msinet_manifest.json").read_text())["variables"]
    state = {variable_name(key): value for key, value in net.state_dict().items()}
    assert [entry["key"] for entry in entries] == list(state)
    for entry in entries:
        value = state[entry["key"]]
        value = value.permute(2, 3, 1, 0) if value.ndim == 4 else value
        assert list(value.shape) == entry["shape"], entry["key"]
        assert f"{zlib.crc32(value.numpy().astype('<f4').tobytes()):08x}" == entry["crc32"], entry["key"]


STAGES = {
    "conv1_2": "conv1.conv1_2", "pool1": "pool1", "pool2": "pool2", "pool3": "pool3", "conv4_3": "conv4.conv4_3",
    "pool4_stride1": "pool4", "conv5_1": "conv5.conv5_1", "conv5_3": "conv5.conv5_3", "pool5_stride1": "pool5",
    "aspp_conv1_1": "aspp.conv1_1", "aspp_conv1_2_d4": "aspp.conv1_2", "aspp_conv1_3_d8": "aspp.conv1_3",
    "aspp_conv1_4_d12": "aspp.conv1_4", "aspp_conv1_5_global": "aspp.conv1_5", "aspp_conv2": "aspp.conv2",
    "decoder_up1": "decoder.up1", "decoder_conv1": "decoder.conv1", "decoder_conv2": "decoder.conv2",
    "decoder_conv3": "decoder.conv3", "decoder_conv4_raw": "decoder.conv4",
}  # fmt: skip


def test_every_stage(networks, net, stages):
    steps = json.loads(str(stages["channel_step"]))
    picture = pixels(np.asarray(Image.open(networks / "msinet_input_104x136.png")))
    output, seen = watched(net, picture, STAGES)
    seen["encoder_concat"] = torch.cat([seen["pool3"], seen["pool4_stride1"], seen["pool5_stride1"]])
    assert set(seen) | {"output"} == set(steps)
    for name, value in seen.items():
        assert_allclose(value[:: steps[name]], stages[name], atol=STAGE, rtol=0, err_msg=name)
    assert_allclose(output, stages["output"], atol=OUTPUT, rtol=0)


@pytest.mark.parametrize(("size", "seed"), [((96, 128), 1), ((128, 96), 2)])
def test_pictures_that_no_one_made(net, size, seed):
    stored = np.load(SYNTHETIC)
    name = f"{size[0]}x{size[1]}_seed{seed}"
    output, seen = watched(net, pixels(stored[f"image_{name}"]), {"raw": "decoder.conv4"})
    assert_allclose(output[0], stored[f"output_{name}"], atol=OUTPUT, rtol=0)
    assert_allclose(seen["raw"][0], stored[f"decoder_conv4_raw_{name}"], atol=STAGE, rtol=0)


@pytest.mark.slow
def test_the_full_size(networks, net):
    full = np.load(networks / "msinet_full.npz")
    aspp = [name for name in STAGES if name.startswith("aspp")]
    output, seen = watched(
        net, pixels(full["preprocessed_240x320"]), {name: STAGES[name] for name in (*aspp, "decoder_conv4_raw")}
    )
    assert_allclose(output[0], full["output_240x320"], atol=OUTPUT, rtol=0)
    assert_allclose(seen["decoder_conv4_raw"][0], full["decoder_conv4_raw_240x320"], atol=STAGE, rtol=0)
    assert_allclose(seen["aspp_conv1_5_global"].flatten(), full["aspp_conv1_5_global"], atol=STAGE, rtol=0)
    for name in set(aspp) - {"aspp_conv1_5_global"}:
        assert_allclose(seen[name][::16], full[f"{name}__every16ch"], atol=STAGE, rtol=0, err_msg=name)


def test_sides_that_are_no_multiples_of_eight_are_refused(net):
    with pytest.raises(ValueError, match="multiples of 8"):
        net(torch.zeros(1, 3, 100, 104))


@pytest.fixture(scope="module")
def model(net):
    model = build()
    model.net = net
    return model.eval()


@pytest.fixture(scope="module")
def photo(networks) -> torch.Tensor:
    picture = np.asarray(Image.open(networks / "osie_1508.png").convert("RGB"))
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]


SIZES = {"salicon": (240, 320), "osie": (240, 320), "mit1003": (360, 360), "cat2000": (216, 384)}


def test_images_are_prepared_as_in_the_original(networks, photo):
    full = np.load(networks / "msinet_full.npz")
    original = MSINetModel(torch.nn.Identity(), name="msinet", options={"variant": "original"}, input_size=None)
    prepared = original.preprocess(photo)[0].permute(1, 2, 0)
    assert_allclose(prepared, full["preprocessed_240x320"], atol=PREPARED, rtol=0)
    for name, ((top, bottom), (left, right), size) in json.loads(str(full["pre_cases"])).items():
        original.input_size = SIZES[size]
        crop = photo[..., top:bottom, left:right].repeat(2, 1, 1, 1)
        for images in (crop, crop.float() / 255):
            prepared = original.preprocess(images)[1].permute(1, 2, 0)
            assert_allclose(prepared[::4, ::4], full[f"pre_{name}_every4"], atol=PREPARED, rtol=0, err_msg=name)


def test_maps_are_resized_as_in_the_original(networks):
    full = np.load(networks / "msinet_full.npz")
    original = MSINetModel(torch.nn.Identity(), name="msinet", options={"variant": "original"}, input_size=None)
    output = torch.from_numpy(full["output_240x320"])[None, None]
    stored = {(600, 800): "resized_back_float_600x800_every5"}
    stored |= {size: f"post_{size[0]}x{size[1]}_every5" for size in ((500, 750), (600, 370), (120, 200))}
    for size, name in stored.items():
        maps = 255 * original.postprocess(output, size)[0, 0]
        assert maps.shape == size
        assert_allclose(maps[::5, ::5], full[name], atol=255 * OUTPUT, rtol=0, err_msg=name)


@pytest.mark.slow
def test_from_the_photo_to_the_written_map(networks, model, photo):
    with torch.no_grad():
        written = (255 * model(photo)[0, 0]).round().numpy()
    assert np.abs(written - np.asarray(Image.open(networks / "msinet_map_600x800.png"))).max() <= 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["full", "c0", "c1", "c2", "sq"])
def test_the_hubs_variant(networks, net, photo, name):
    stored = np.load(networks / "msinet_hubvariant.npz")
    (top, bottom), (left, right) = json.loads(str(stored["cases"]))[name]
    images = photo[..., top:bottom, left:right]
    hub = MSINetModel(net, name="msinet", options={"variant": "hub"}, input_size=None)
    prepared = hub.preprocess(images)
    assert_allclose(prepared[0].permute(1, 2, 0)[::4, ::4], stored[f"{name}_pre_every4"], atol=PREPARED, rtol=0)
    with torch.no_grad():
        output = hub.run(prepared)
    assert_allclose(output[0, 0, ::2, ::2], stored[f"{name}_output_every2"], atol=OUTPUT, rtol=0)
    restored = hub.postprocess(output, (bottom - top, right - left))
    assert_allclose(restored[0, 0, ::5, ::5], stored[f"{name}_restored_every5"], atol=OUTPUT, rtol=0)


def test_densities_are_placed_as_their_images():
    original = MSINetModel(torch.nn.Identity(), name="msinet", options={"variant": "original"}, input_size=None)
    density = torch.zeros(1, 1, 300, 300)
    density[..., 100:200, 100:200] = 1e-4
    placed = original.preprocess_density(density, (240, 320))
    assert placed.shape == (1, 1, 240, 320)
    assert placed[..., :40].max() == placed[..., 280:].max() == 0  # padding
    ys, xs = torch.nonzero(placed[0, 0] > 100, as_tuple=True)
    assert ys.float().mean().item() == pytest.approx(119.5, abs=1)
    assert xs.float().mean().item() == pytest.approx(159.5, abs=1)


def test_wrong_requests_are_refused():
    with torch.device("meta"), pytest.raises(ValueError, match="original or hub"):
        build(variant="browser")
    with torch.device("meta"), pytest.raises(ValueError, match="multiples of 8"):
        build(input_size=(100, 100))


def test_the_loss_is_the_originals(stages):
    target = torch.from_numpy(stages["loss_gt_u8"]).float()[None, None]
    loss = kl_div(torch.from_numpy(stages["output"])[None], target)
    assert loss.item() == pytest.approx(float(stages["loss_kld"][0]), abs=1e-6)


def test_the_listed_layers_are_those_that_the_published_graph_runs(networks):
    """30 layers, as in the paper: the 36 steps without concatenation, the branch of the mean and the last scaling."""
    published = json.loads((networks / "msinet_layers_240x320.json").read_text())
    with torch.device("meta"):
        model = build()
    model = model.to_empty(device="cpu")
    layers = Explainer(model).layers((240, 320))
    steps = [step for step in published if step["type"] not in ("concat", "resize", "minmax")]
    assert [layer.shape for layer in layers] == [tuple(step["out"]) for step in steps]
    names = [layer.name.replace(".", "/") for layer, step in zip(layers, steps, strict=True) if "conv" in step["type"]]
    assert names == [step["name"] for step in steps if "conv" in step["type"]]
    skipped = {layer.name: layer.skipped for layer in layers if layer.skipped}
    assert list(skipped) == ["aspp.mean", "aspp.conv1_5"]
    assert all("1 x 1 maps" in reason for reason in skipped.values())
    assert len(layers) - len(skipped) == 30
    parents = {layer.name: layer.parents for layer in layers}
    assert parents["aspp.conv1_1"] == ("pool3", "pool4", "pool5")
    assert layers[-1].name == "decoder.conv4"


class Small(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, x):
        return self.conv(x)


@pytest.mark.parametrize("variant", ["original", "hub"])
def test_padding_is_no_part_of_an_explanation(variant):
    """A spot in a tall image keeps its place, although the explained map is wide."""
    model = MSINetModel(Small(), name="msinet", options={"variant": variant}, input_size=(48, 64))
    with torch.no_grad():
        model.net.conv.weight.zero_()
        model.net.conv.weight[:, :, 1, 1] = 1 / 765
        model.net.conv.bias.zero_()
    down, across = torch.meshgrid(torch.arange(60.0), torch.arange(30.0), indexing="ij")
    spot = torch.exp(-((down - 45) ** 2 + (across - 7) ** 2) / 32).expand(1, 3, -1, -1)
    out = Explainer(model, preset="sparse")(0.5 + spot / 2)
    assert out.explainable_map.shape == (1, 1, 60, 30)
    y, x = divmod(int(out.explainable_map.argmax()), 30)
    assert (y, x) == pytest.approx((45, 7), abs=2)
