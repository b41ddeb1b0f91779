"""Models by name: networks and classical models behind one function, and what a command's options ask for."""

import pytest
import torch
from omegaconf import OmegaConf

import explainsal
from explainsal.classical import MODELS
from explainsal.classical.itti import Itti
from explainsal.errors import UserError
from explainsal.models import SaliencyModel
from explainsal.workflows.loading import describe, model_name, model_of, network_of

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
    assert isinstance(model_of(asked(model=itti)), Itti)
    assert isinstance(network_of(asked(model=cmrnet)), SaliencyModel)
    for wrong in ({}, {"model": itti, "checkpoint": "best.ckpt"}):
        with pytest.raises(UserError, match=r"checkpoint=FILE.ckpt .* or model=NAME"):
            model_of(asked(**wrong))
    with pytest.raises(UserError, match="Itti is a classical model"):
        model_of(asked(model=itti, weights="best.ckpt"))
    with pytest.raises(UserError, match="itti is no network"):
        network_of(asked(model=itti))
