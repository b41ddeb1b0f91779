"""python -m explainsal.export, as a user runs it."""

import pytest
import torch
from tests.commands import run

from explainsal.models.export import exported_metadata, run_exported
from explainsal.workflows.loading import load_model

pytest.importorskip("onnxruntime")


@pytest.mark.slow
def test_the_packaged_network_is_exported_and_says_where_it_comes_from(tmp_path):
    done = run(tmp_path, "export", "to=out/network.onnx")
    path = tmp_path / "out" / "network.onnx"
    assert "its maps differ by" in done.stdout
    images = torch.rand(1, 3, 45, 70)
    with torch.no_grad():
        torch.testing.assert_close(run_exported(path, images), load_model("cmrnet_eyes")(images), atol=1e-5, rtol=0)
    said = exported_metadata(path)
    assert said["weights"] == "cmrnet_eyes.safetensors"
    assert "1001-1350" in said["trained_on"]["osie"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("model=itti",), "itti is a classical model; only networks are exported"),
        (("format=tflite",), "format=tflite: choose one of onnx, torch_export"),
        (("to=network.pt2",), "to=network.pt2: a file with format=onnx must end in .onnx"),
        (("size=480",), r"size=480: give height and width in pixels, size=[480,640]"),
        (("model=msinet",), "give size=[HEIGHT,WIDTH]"),
    ],
)
def test_what_cannot_be_exported_is_said_in_one_line(tmp_path, arguments, message):
    assert message in run(tmp_path, "export", *arguments, code=2).stderr
