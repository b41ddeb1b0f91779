"""The null models differ from the explanation in one thing, and the table tells them apart."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace

import pytest
import torch
from tests.explanation.nets import Functional, Plain
from torch import nn

from explainsal import models
from explainsal.explanation import Explainer
from explainsal.explanation.fidelity import fidelity_rows, fidelity_table, layer_correlation
from explainsal.explanation.nulls import NULLS, null_explainer, require_drawable, untrained_copy
from explainsal.models.unisal_parts import initial_priors
from explainsal.types import DensityMap
from explainsal.workflows.loading import load_model


def smooth(count=1, size=(24, 32)):
    return nn.functional.avg_pool2d(torch.rand(count, 3, *size), 5, stride=1, padding=2)


def test_shuffled_filters_differ_in_the_bank_alone():
    explainer = Explainer(Functional(), "sparse", top_k=4)
    null = null_explainer(explainer, "shuffled_filters", seed=2)
    assert null.net is explainer.net
    assert null.options.bank.shuffle == 2
    assert null.options.top_k == 4
    assert explainer.options.bank.shuffle is None


def test_an_untrained_network_has_other_weights_and_the_same_form():
    net = Plain()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.random.get_rng_state()
    fresh = untrained_copy(net, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert all(torch.equal(net.state_dict()[name], value) for name, value in before.items())
    assert not any(torch.equal(fresh.state_dict()[name], value) for name, value in before.items())
    again = untrained_copy(net, seed=1)
    assert torch.equal(again.first.weight, fresh.first.weight)


def test_an_untrained_copy_that_cannot_be_made_is_refused():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.ones(1))

    with pytest.raises(ValueError, match="scale"):
        untrained_copy(Own())


def test_unisal_is_drawn_again_as_it_is_built():
    net = load_model("unisal", input_size=(64, 96)).net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(0.25)
    fresh = untrained_copy(net, seed=1)
    assert torch.equal(fresh.coarse_gaussians_salicon, initial_priors())
    assert fresh.smoothing_salicon.weight.sum().item() == pytest.approx(1, abs=1e-5)
    assert not any(torch.equal(p, q) for p, q in zip(fresh.parameters(), net.parameters(), strict=True))


@pytest.mark.parametrize("name", [info.name for info in pkgutil.iter_modules(models.__path__)])
def test_every_network_of_the_package_can_be_drawn_again(name):
    """A new one without reset_parameters would fail only after hours of explaining."""
    build = getattr(importlib.import_module(f"explainsal.models.{name}"), "build", None)
    if build is not None:
        require_drawable(build().net)


def test_random_layers_are_earlier_ones_and_fixed_by_the_seed():
    explainer = Explainer(Functional(), "sparse", image_candidates=False, fill_pool=False)
    names = ["input", *(layer.name for layer in explainer.layers((24, 32)))]
    images = smooth()
    chosen = []
    for seed in (0, 0, 1):
        out = null_explainer(explainer, "random_layer", seed=seed)(images)
        for layer in out.layers:
            assert len(layer.parents) == 1
            assert names.index(layer.parents[0]) < names.index(layer.name)
        chosen.append([layer.parents for layer in out.layers])
    assert chosen[0] == chosen[1]
    assert chosen[0] != chosen[2]


def test_the_table_has_a_row_per_variant_and_image():
    net, images = Functional(), smooth(2)
    explainer = Explainer(net, "sparse")
    table = fidelity_table(explainer, images, density=DensityMap(torch.rand(2, 24, 32)), ids=["a", "b"])
    assert list(table["variant"].unique()) == ["explanation", *NULLS]
    assert len(table) == 8
    out = explainer(images)
    mine = table[table["variant"] == "explanation"]
    a, b = out.explainable_map.flatten(1), out.saliency_map.flatten(1)
    expected = [torch.corrcoef(torch.stack(pair))[0, 1].item() for pair in zip(a, b, strict=True)]
    assert mine["cc_to_deep"].tolist() == pytest.approx(expected, abs=1e-5)
    assert mine["layer_correlation"].tolist() == pytest.approx(layer_correlation(out).tolist(), abs=1e-6)


@pytest.mark.parametrize("null", NULLS)
def test_a_null_model_made_while_nothing_is_recorded_for_derivatives_is_the_same(null):
    """Lightning tests in inference mode, and a copy of a network made there used to have no derivatives."""
    explainer, images = Explainer(Plain().eval(), "sparse"), torch.rand(1, 3, 24, 32)
    with torch.inference_mode():
        there = null_explainer(explainer, null)(images).explainable_map
    torch.testing.assert_close(there, null_explainer(explainer, null)(images).explainable_map)


def test_an_unknown_null_is_refused():
    with pytest.raises(ValueError, match="shuffled_filters"):
        null_explainer(Explainer(Plain()), "noise")


def test_a_signed_map_counts_as_a_density_from_zero_up():
    """SIM and KLD of the map clamped at 0, written out; CC sees the signs."""
    values = torch.tensor([[[[-1.0, 3.0], [1.0, 0.0]]]])
    deep = torch.tensor([[[[0.0, 2.0], [1.0, 1.0]]]])
    explanation = replace(Explainer(Plain(), "sparse")(smooth()), saliency_map=deep, explainable_map=values)
    (row,) = fidelity_rows(explanation, ["a"])
    assert row["sim_to_deep"] == pytest.approx(0.5 + 0.25)  # 0, 3/4, 1/4, 0 against 0, 1/2, 1/4, 1/4
    pair = torch.stack([values.flatten(), deep.flatten()])
    assert row["cc_to_deep"] == pytest.approx(torch.corrcoef(pair)[0, 1].item())
    assert row["kld_to_deep"] > 1  # a quarter of the density where the map has none
