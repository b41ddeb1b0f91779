"""A picture reaches a network identically in training, evaluation, prediction and explanation."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from torch import nn

from explainsal.app.cli import conf_dir
from explainsal.data.sample import SaliencyBatch
from explainsal.datamodules.folder import FolderDataModule
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.losses import kl_div, kl_div_nss_cc
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.msinet import MSINetModel
from explainsal.models.unisal import UNISALModel
from explainsal.modules.evaluation import EvaluationModule
from explainsal.modules.saliency import SaliencyModule
from explainsal.modules.unisal import UNISALModule
from explainsal.predict import predict
from explainsal.workflows import explaining as explanation
from explainsal.workflows import prediction

SGD = partial(torch.optim.SGD, lr=0.1)


class Recorder(nn.Module):
    """Replacement of a network that records its inputs."""

    def __init__(self, *, logarithmic: bool) -> None:
        super().__init__()
        self.cnn, self.conv = nn.Identity(), nn.Conv2d(3, 1, 1)
        self.logarithmic = logarithmic
        self.inputs: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor, domain: str | None = None) -> torch.Tensor:
        self.inputs.append(x.detach().clone())
        maps = self.conv(x)
        flat = maps.flatten(1)
        return (flat.log_softmax(1) if self.logarithmic else flat.softmax(1)).reshape(maps.shape)

    def for_domain(self, domain):
        return self


def unisal():
    return UNISALModel(Recorder(logarithmic=True), name="unisal", options={"domain": "SALICON"}, input_size=None)


def msinet(variant):
    return MSINetModel(Recorder(logarithmic=False), name="msinet", options={"variant": variant}, input_size=None)


def cmrnet():
    return SaliencyModel(Recorder(logarithmic=False), name="cmrnet", options={}, input_size=(96, 128))


MODELS = {
    "cmrnet": cmrnet,
    "unisal": unisal,
    "msinet original": lambda: msinet("original"),
    "msinet hub": lambda: msinet("hub"),
}


@pytest.fixture
def folder(tmp_path):
    """A picture with fixations, taller than wide and of a size that no network uses."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    cv2.imwrite(str(tmp_path / "images" / "a.png"), rng.integers(0, 256, (211, 173, 3), dtype=np.uint8))
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,20.5,30.5\na.png,100.5,150.5\n")
    return tmp_path


def last_input(model) -> torch.Tensor:
    seen = model.net.inputs[-1]
    model.net.inputs.clear()
    return seen


@pytest.mark.parametrize("name", MODELS)
def test_every_route_gives_the_network_the_same_pixels(folder, tmp_path, monkeypatch, name):
    model = MODELS[name]()
    data = FolderDataModule(folder, density_sigma=9, batch_size=1, num_workers=0)
    batch = SaliencyBatch.collate([data.dataset("all")[0]])
    module = UNISALModule(model, kl_div_nss_cc, SGD) if name == "unisal" else SaliencyModule(model, kl_div, SGD)
    seen = {}
    module.train().batch_loss(batch)
    seen["training"] = last_input(model)
    module.eval().maps(batch)
    seen["validation"] = last_input(model)
    EvaluationModule({"deep": model}, partial(SaliencyMetrics, names=["cc"])).maps("deep", batch.images, batch.index)
    seen["evaluation"] = last_input(model)
    run = ExplanationRun("sparse", tmp_path / "explanation", options={"layers": "conv", "top_k": 2})
    monkeypatch.setattr(explanation, "write_gallery", lambda *_: None)
    explanation.explain_pictures(tmp_path / "explained", model, data.dataset("all"), run)
    seen["explanation"] = last_input(model)
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("predict", overrides=["model=cmrnet", f"data.root={folder / 'images'}", "data.num_workers=0"])
    cfg.paths.output = str(tmp_path / "predicted")
    monkeypatch.setattr("explainsal.app.build.build_model", lambda *_: model)
    monkeypatch.setattr(prediction, "describe", lambda *_: {})
    predict(cfg)
    seen["prediction"] = last_input(model)
    assert seen["training"].shape[-2:] != (211, 173)
    for route, pixels in seen.items():
        assert torch.equal(pixels, seen["training"]), route


@pytest.mark.parametrize("name", MODELS)
def test_a_picture_is_prepared_the_same_alone_and_in_a_batch_as_bytes_and_as_numbers(name):
    model = MODELS[name]()
    images = torch.randint(0, 256, (3, 3, 211, 173), dtype=torch.uint8)
    together = model.preprocess(images)
    for i in range(3):
        assert torch.allclose(model.preprocess(images[i : i + 1])[0], together[i], rtol=0, atol=2e-4)
        assert torch.allclose(model.preprocess(images[i : i + 1].float() / 255)[0], together[i], rtol=0, atol=2e-4)
    if name == "unisal":  # integers throughout: all bits are equal
        assert torch.equal(model.preprocess(images[1:2])[0], together[1])
