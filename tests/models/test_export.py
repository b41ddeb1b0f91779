"""Exported files give the same maps in onnxruntime and torch.export, at sizes that were not traced."""

import json

import numpy as np
import pytest
import torch
from tests.distillation.small import fitted
from torch import nn
from torch.testing import assert_close

from explainsal.distillation import save_standalone
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.models.export import export_model, exported_metadata, run_exported
from explainsal.workflows.loading import load_model

onnxruntime = pytest.importorskip("onnxruntime")


class Bare(nn.Module):
    """A convolution, whose export takes a second."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, padding=1)
        nn.init.ones_(self.conv.bias)  # with maps near 0, rounding would be large relative to the largest value

    def forward(self, images):
        return self.conv(images).relu()


class OnAGrid(SaliencyModel):
    """A model whose preprocessing depends on the image's size, like that of the published networks."""

    any_size, grid, takes = False, 8, "RGB, float32 from 0 to 255"

    def preprocess(self, images):
        return 255 * super().preprocess(images)


def small(input_size=(24, 32), kind=SaliencyModel):
    torch.manual_seed(0)
    return kind(Bare(), name="small", options={}, input_size=input_size)


@pytest.mark.parametrize("input_size", [(24, 32), None])
@pytest.mark.parametrize(("format", "suffix"), [("onnx", ".onnx"), ("torch_export", ".pt2")])
def test_a_file_for_any_size_gives_the_maps_of_the_model(tmp_path, format, suffix, input_size):
    model, path = small(input_size), tmp_path / f"small{suffix}"
    difference = export_model(model, path, format=format, metadata={"weights": "w.pth", "options": {"width": 3}})
    assert difference < 1e-5
    for shape in ((1, 3, 24, 32), (2, 3, 20, 51), (3, 3, 70, 33), (1, 3, 24, 90)):
        images = torch.rand(*shape)
        assert_close(run_exported(path, images), model(images).detach(), atol=1e-6, rtol=1e-5)
    said = exported_metadata(path)
    assert said["model"] == "small"
    assert said["weights"] == "w.pth"
    assert said["options"] == {"width": 3}
    assert "(B, 3, H, W), RGB, float32 in [0, 1]" in said["input"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("format", "suffix"), [("onnx", ".onnx"), ("torch_export", ".pt2")])
def test_a_bare_network_takes_every_size_on_its_grid(tmp_path, format, suffix):
    model, path = small(kind=OnAGrid), tmp_path / f"small{suffix}"
    assert export_model(model, path, format=format, bare=True) < 1e-5
    for shape in ((1, 3, 16, 24), (3, 3, 88, 40)):
        images = 255 * torch.rand(*shape)
        assert_close(run_exported(path, images), model.net(images).detach(), atol=1e-4, rtol=1e-5)
    said = exported_metadata(path)
    assert said["bare"] is True
    assert said["input"] == "images: (B, 3, H, W), RGB, float32 from 0 to 255; H and W multiples of 8"
    assert model.input_size == (24, 32)


def test_an_onnx_file_is_run_without_this_project(tmp_path):
    model, path = small(), tmp_path / "small.onnx"
    export_model(model, path, size=(40, 50))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = np.random.default_rng(0).random((2, 3, 40, 50), dtype=np.float32)
    (maps,) = session.run(["saliency"], {"images": images})
    assert_close(torch.from_numpy(maps), model(torch.from_numpy(images)).detach(), atol=1e-6, rtol=1e-5)
    assert json.loads(session.get_modelmeta().custom_metadata_map["model"]) == "small"
    with pytest.raises(UserError, match=r"takes images of 40 x 50 pixels, got \(40, 51\)"):
        run_exported(path, torch.rand(1, 3, 40, 51))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
def test_a_standalone_model_is_exported(tmp_path, suffix):
    save_standalone(fitted().model, tmp_path / "standalone.safetensors", {"finished": True})
    model, path = load_model("standalone", weights=tmp_path / "standalone.safetensors"), tmp_path / f"model{suffix}"
    assert export_model(model, path, format="onnx" if suffix == ".onnx" else "torch_export") < 1e-4
    for shape in ((1, 3, 16, 24), (3, 3, 50, 61)):
        images = torch.rand(*shape)
        expected = model(images).detach()
        assert expected.std() > 0
        assert_close(run_exported(path, images) / expected.amax(), expected / expected.amax(), atol=1e-4, rtol=0)


def test_a_file_that_differs_is_not_written(tmp_path, monkeypatch):
    model = small()
    monkeypatch.setattr("explainsal.models.export.run_exported", lambda path, images: model(images).detach() * 1.001)
    with pytest.raises(UserError, match=r"differ by 1\.0e-03 of the largest value"):
        export_model(model, tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())


def test_a_map_that_is_not_finite_is_no_agreement(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "explainsal.models.export.run_exported", lambda path, images: torch.full_like(images[:, :1], torch.nan)
    )
    with pytest.raises(UserError, match="gives other maps"):
        export_model(small(), tmp_path / "small.onnx")


def test_bad_requests_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="format=tflite: choose one of onnx, torch_export"):
        export_model(small(), tmp_path / "small.tflite", format="tflite")
    with pytest.raises(UserError, match=r"small computes its pre-processing from .*size=\[HEIGHT,WIDTH\].*bare"):
        export_model(small(kind=OnAGrid), tmp_path / "small.onnx")
    with pytest.raises(UserError, match=r"size=\[40,50\]: the bare small takes multiples of 8"):
        export_model(small(kind=OnAGrid), tmp_path / "small.onnx", size=(40, 50), bare=True)
    monkeypatch.setattr("explainsal.models.export.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'explainsal\[export\]'"):
        export_model(small(), tmp_path / "small.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "size", "suffix"),
    [
        ("cmrnet_osie", {}, None, ".onnx"),
        ("cmrnet", {"width": 8, "input_size": None}, None, ".onnx"),
        ("cmrnet", {"width": 8, "input_size": None}, None, ".pt2"),
        ("unisal", {"domain": "DHF1K"}, (90, 60), ".onnx"),
        ("msinet", {}, (60, 80), ".onnx"),
        ("msinet", {"variant": "hub", "input_size": (64, 96)}, (70, 50), ".pt2"),
    ],
)
def test_every_network_is_exported(tmp_path, name, options, size, suffix):
    model, path = load_model(name, **options), tmp_path / f"model{suffix}"
    assert export_model(model, path, format="onnx" if suffix == ".onnx" else "torch_export", size=size) < 1e-4
    images = torch.rand(2, 3, *(size or (50, 61)))
    with torch.no_grad():
        expected = model(images)  # still works in this process: the trace left nothing behind
    assert_close(run_exported(path, images) / expected.amax(), expected / expected.amax(), atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".onnx", ".pt2"])
@pytest.mark.parametrize("name", ["unisal", "msinet"])
def test_bare_networks_take_images_of_any_size(tmp_path, name, suffix):
    model, path = load_model(name), tmp_path / f"bare{suffix}"
    export_model(model, path, format="onnx" if suffix == ".onnx" else "torch_export", bare=True)
    for size in ((96, 64), (160, 224)):  # traced: 96 x 128
        model.input_size = size
        images = model.preprocess(torch.rand(2, 3, 70, 50))
        with torch.no_grad():
            expected = model.run(images)
        assert expected.std() > 0
        scale = expected.abs().amax()
        assert_close(run_exported(path, images) / scale, expected / scale, atol=1e-5, rtol=0)
