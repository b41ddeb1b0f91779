"""The packaged networks: their files are complete and small, and their cards list data, recipe and scores."""

from __future__ import annotations

import hashlib
import json
import shlex

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate

from explainsal.app.cli import conf_dir
from explainsal.models import load_network
from explainsal.models.packaged import FOLDER, package_network, packaged_file
from explainsal.models.published import card_path, training_data_warning
from explainsal.workflows.loading import load_model

NAMES = ("cmrnet_eyes", "cmrnet_osie")


def read_card(name):
    return json.loads(card_path(packaged_file(name)).read_text())


def test_these_are_all():
    files = {path.name.removesuffix(".safetensors") for path in FOLDER.glob("*.safetensors")}
    assert files == {*NAMES, "standalone"}


@pytest.mark.parametrize("name", NAMES)
def test_the_card_describes_the_file(name):
    card, file = read_card(name), packaged_file(name)
    assert card["model"] == name
    assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["bytes"] == file.stat().st_size < 6e6
    parameters = sum(p.numel() for p in load_network(name).parameters())
    assert f"{parameters:,} parameters" in card["network"]
    assert {"licence", "recipe", "scores", "date", "trained_on", "unseen_splits"} <= set(card)


@pytest.mark.parametrize("name", NAMES)
def test_the_recipe_is_a_command_that_composes_to_this_network(name):
    recipe = read_card(name)["recipe"].split()
    overrides = [word for word in recipe if "=" in word and not word.startswith("(")]
    assert recipe[:3] == ["python", "-m", "explainsal.train"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", overrides=overrides)
    assert (cfg.model.width, tuple(cfg.model.input_size)) == (32, load_network(name).input_size)


def test_the_packaged_standalone_model_is_loaded_by_its_name_and_its_card_describes_it():
    card, file, model = read_card("standalone"), packaged_file("standalone"), load_model("standalone")
    assert card["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert card["bytes"] == file.stat().st_size < 1e5
    assert f"{model.net.coefficients:,} coefficients" in card["network"]
    assert max(int((stage.source >= 0).sum(1).max()) for stage in model.net.stages) <= 20
    assert {"licence", "recipe", "scores", "date", "trained_on", "unseen_splits"} <= set(card)
    assert model.trained
    assert "have not seen the part evaluated here, osie test" in training_data_warning(model.weights, "osie", "test")
    maps = model(torch.rand(1, 3, 60, 80, generator=torch.Generator().manual_seed(0)))
    assert maps.shape == (1, 1, 60, 80)
    assert maps.std() > 0


def test_the_recipe_of_the_packaged_standalone_model_composes_to_its_graph():
    recipe = shlex.split(read_card("standalone")["recipe"].partition("   (")[0])
    assert recipe[:3] == ["python", "-m", "explainsal.train"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("train", overrides=recipe[3:])
    assert (cfg.fit.teacher.weights, cfg.fit.extra_data.mit1003.split) == ("published:mit1003", "held_out")
    net, plan = load_model("standalone").net, instantiate(cfg.model).net.plan
    assert [(s.name, s.size, s.sources) for s in net.stages] == [(s.name, s.size, s.sources) for s in plan]
    assert all(len(s.channels) <= stage.maps for s, stage in zip(net.stages, plan, strict=True))  # without unused maps
    assert cfg.callbacks.pruning.terms == 20


def test_it_says_what_it_has_seen_of_two_data_sets():
    file = packaged_file("cmrnet_eyes")
    assert "1001-1350" in training_data_warning(file, "osie")
    assert "have not seen the part evaluated here, osie test" in training_data_warning(file, "osie", "test")
    assert "are not a fair test" in training_data_warning(file, "osie", "val")
    assert "published:mit1003" in training_data_warning(file, "mit1003")
    assert "have not seen the part evaluated here" in training_data_warning(file, "mit1003", "held_out test")
    assert "are not a fair test" in training_data_warning(file, "mit1003", "all")


def test_packaging_keeps_the_function_to_sixteen_bits(tmp_path):
    torch.manual_seed(0)
    model = load_network("cmrnet", width=32, input_size=(144, 192))
    card = package_network(model, tmp_path / "other.safetensors", {"network": "a CMRNet", "scores": "none"})
    assert (card["model"], card["network"]) == ("other", "a CMRNet")
    assert (tmp_path / "other.safetensors.card.json").is_file()
    images = torch.rand(1, 3, 60, 80)
    torch.save(model.net.state_dict(), tmp_path / "whole.pth")
    whole = load_network("cmrnet_eyes", weights=tmp_path / "whole.pth")
    with torch.no_grad():
        torch.testing.assert_close(whole(images), model(images))
    halved = {key: value.half().float() for key, value in model.net.state_dict().items()}
    model.net.load_state_dict(halved)
    assert card["bytes"] < 1.3e6
