"""Models by name: networks and classical models behind one function, and what a command's options ask for."""

from typing import get_args

import pytest
import torch
from omegaconf import OmegaConf

import explainsal
from explainsal.app.build import build_model, build_network
from explainsal.classical import MODELS
from explainsal.classical.itti import Itti
from explainsal.errors import ModelError, UserError
from explainsal.models import SaliencyModel
from explainsal.workflows.loading import Classical, describe, model_name

QUICK = sorted(set(MODELS) - {"sim2011", "sim_grouping"})


def asked(**options):
    return OmegaConf.create({"checkpoint": None, "model": None, "weights": None, **options})


@pytest.mark.parametrize("name", QUICK)
def test_a_classical_model_is_loaded_like_a_network(name):
    model = explainsal.load_model(name)
    maps = model(torch.rand(2, 3, 64, 96))
    assert maps.shape == (2, 1, 64, 96)
    assert maps.min() >= 0
    assert model_name(model) == name
    assert describe(model) == {"name": name}


def test_the_type_of_classical_names_is_complete():
    assert get_args(Classical) == tuple(MODELS)


def test_a_network_without_weights_is_returned_after_a_warning(caplog):
    explainsal.load_model("cmrnet", width=4)
    assert "cmrnet has untrained weights" in caplog.text
    caplog.clear()
    explainsal.load_model("cmrnet_osie")
    assert not caplog.text


def test_options_reach_the_model():
    assert explainsal.load_model("itti", blur_fraction=0).blur_fraction == 0
    assert explainsal.load_model("cmrnet", width=4).options["width"] == 4


@pytest.mark.parametrize(("arguments", "options", "message"), [
    (["ittti"], {}, "no model named 'ittti'; choose cmrnet.* itti"),
    (["itti", "best.ckpt"], {}, "no weights to load"),
    (["itti"], {"width": 3}, "no option 'width'; it has deltas, blur_fraction"),
])  # fmt: skip
def test_what_does_not_exist_is_said(arguments, options, message):
    with pytest.raises(UserError, match=message):
        explainsal.load_model(*arguments, **options)


def test_commands_take_a_checkpoint_or_a_model():
    itti = {"_target_": "explainsal.classical.itti.Itti"}
    cmrnet = {"_target_": "explainsal.models.cmrnet.build", "width": 4, "weights": None}
    assert isinstance(build_model(asked(model=itti)), Itti)
    assert isinstance(build_network(asked(model=cmrnet)), SaliencyModel)
    for wrong in ({}, {"model": itti, "checkpoint": "best.ckpt"}):
        with pytest.raises(UserError, match=r"checkpoint=FILE.ckpt .* or model=NAME"):
            build_model(asked(**wrong))
    with pytest.raises(UserError, match="Itti is a classical model"):
        build_model(asked(model=itti, weights="best.ckpt"))
    with pytest.raises(UserError, match="itti is not a network"):
        build_network(asked(model=itti))


class Own(torch.nn.Conv2d):
    """A network of one's own."""

    def __init__(self, channels=3):
        super().__init__(channels, 1, 3, padding=1)


def test_a_bare_network_of_ones_own_takes_pictures_as_they_are(tmp_path):
    model = build_network(asked(model={"_target_": f"{__name__}.Own"}))
    assert (model.name, model.trained, model.input_size) == ("own", True, None)
    assert model(torch.randint(0, 256, (1, 3, 20, 30), dtype=torch.uint8)).shape == (1, 1, 20, 30)
    assert describe(model)["parameters"] == 28


def test_a_network_that_takes_grey_is_refused_or_wrapped():
    class Grey(SaliencyModel):
        def preprocess(self, images):
            return super().preprocess(images).mean(1, keepdim=True)

    with pytest.raises(
        ModelError, match=r"grey does not take RGB images .* 320, 480\].* images.mean\(1, keepdim=True\)"
    ):
        describe(SaliencyModel(Own(1), name="grey", options={}, input_size=None))
    assert describe(Grey(Own(1), name="grey", options={}, input_size=None))["parameters"] == 10
