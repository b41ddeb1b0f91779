"""The layers of a network as data, on networks small enough to list by hand."""

from __future__ import annotations

import pytest
import torch
from tests.explanation.nets import ChannelsLast, Functional, Normalised, Odd, Plain, Reserved, WithPrior
from torch import nn

from explainsal.errors import UserError
from explainsal.explanation import Explainer
from explainsal.tracing.graph import trace_layers
from explainsal.tracing.layers import select_layers


def listed(net, select="leaf", size=(16, 24)):
    return {layer.name: layer for layer in Explainer(net, layers=select).layers(size)}


def test_a_module_called_twice_is_two_layers_in_order_of_execution():
    layers = listed(Plain())
    assert list(layers) == ["first", "relu", "second", "relu:2", "last"]
    assert layers["second"].parents == ("relu",)
    assert layers["last"].parents == ("relu:2",)
    assert layers["relu:2"].shape == (4, 16, 24)


def test_parents_come_through_functional_operations():
    layers = listed(Functional())
    assert {name: layer.parents for name, layer in layers.items()} == {
        "stem": ("input",),
        "left": ("stem",),
        "right": ("stem",),
        "fuse": ("left", "right"),  # through the concatenation
        "head": ("stem", "fuse"),  # through the residual sum
        "output": ("head",),  # sigmoid and interpolation compute the last map
    }
    assert layers["output"].shape == (1, 16, 24)


@pytest.mark.parametrize("ending", ["softmax", "minmax"])
def test_the_last_map_is_the_one_before_a_log_softmax_or_a_min_max_scaling(ending):
    assert list(listed(Normalised(ending))) == ["body", "head"]


def test_what_cannot_be_explained_is_listed_with_the_reason():
    reasons = {name: layer.skipped for name, layer in listed(Odd()).items()}
    assert reasons["body"] is None
    assert reasons["head"] is None
    assert "unchanged" in reasons["drop"]
    assert "1 x 1" in reasons["squeeze"]
    assert "no maps" in reasons["tokens"]
    assert "tuple" in reasons["state"]
    assert "does not depend" in reasons["unused"]


def test_modules_called_as_the_image_or_the_output_are_layers_of_their_own():
    layers = listed(Reserved())
    assert {name: layer.parents for name, layer in layers.items()} == {
        "input:1": ("input",),
        "middle": ("input:1",),
        "output:1": ("middle",),
        "output": ("output:1",),  # a sigmoid
    }
    explained = Explainer(Reserved(), "sparse", fill_pool=False)(torch.rand(1, 3, 16, 24)).to_dataframe()
    assert set(explained.loc[(explained["layer"] == 1) & (explained["term"] >= 0), "source"]) <= {
        f"input:1/{channel}" for channel in range(4)
    }


@pytest.mark.parametrize("size", [(16, 24), (32, 32), (16, 16)])  # maps as wide as the number of features
def test_tokens_on_a_grid_are_no_maps(size):
    layers = listed(ChannelsLast(), size=size)
    assert [name for name, layer in layers.items() if not layer.skipped] == ["stem", "norm", "depth", "back", "head"]
    for name in ("there", "tokens", "wide", "act", "narrow"):
        assert "last axis" in layers[name].skipped
    assert layers["back"].parents == ("depth",)
    assert layers["head"].parents == ("norm", "back")


def test_what_is_the_same_for_every_image_is_no_layer_and_no_parent():
    layers = listed(WithPrior())
    assert [name for name, layer in layers.items() if not layer.skipped] == ["body", "head"]
    for name in ("prior", "blur", "head.parametrizations.weight.0"):
        assert "same for every image" in layers[name].skipped
    assert layers["head"].parents == ("body",)
    assert Explainer(WithPrior(), "sparse", fill_pool=False)(torch.rand(1, 3, 16, 24))["head"].parents == ("body",)


def test_a_map_that_the_image_does_not_reach_is_refused():
    class ThroughNumpy(Plain):
        def forward(self, images):
            return self.last(torch.from_numpy(self.first(images).numpy()))

    with pytest.raises(ValueError, match="NumPy"):
        listed(ThroughNumpy())
    prior = WithPrior.Prior(2)
    with pytest.raises(ValueError, match="the same for all images"):
        listed(nn.Sequential(prior, nn.Conv2d(2, 1, 1)))


def test_a_prior_is_not_taken_for_the_last_map():
    class Centred(Normalised):
        def __init__(self):
            super().__init__("minmax")
            self.prior = WithPrior.Prior(1)

        def forward(self, images):
            x = self.head(self.body(images)) * self.prior(images)
            return x / x.amax((1, 2, 3), keepdim=True)

    assert [name for name, layer in listed(Centred()).items() if not layer.skipped] == ["body", "head"]


@pytest.mark.parametrize("layer", [nn.Softmax2d(), nn.Softmax(dim=1), nn.LogSoftmax(dim=-3)])
def test_a_softmax_over_channels_is_a_layer_and_one_over_pixels_is_none(layer):
    net = nn.Sequential(nn.Conv2d(3, 4, 1), layer, nn.Conv2d(4, 1, 1))
    assert [name for name, one in listed(net).items() if not one.skipped] == ["0", "1", "2"]
    net[1] = nn.Softmax(dim=-1)
    assert "over a whole map" in listed(net)["1"].skipped


def test_parents_of_a_selection_are_the_nearest_selected_layers():
    layers = listed(Functional(), select=["fuse", "head"])
    assert layers["head"].parents == ("input", "fuse")  # the parents of the skipped stem
    assert "not selected" in layers["left"].skipped


def test_blocks_and_single_operations_cover_the_network():
    net = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Sequential(nn.ReLU(), Wrapped()), nn.Conv2d(4, 1, 1))
    assert [name for name, layer in listed(net, "block").items() if layer.skipped is None] == ["0", "1.0", "1.1", "2"]


class Wrapped(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Conv2d(4, 4, 1)

    def forward(self, x):
        return self.inner(x) + x


def test_paper_counts_a_norm_and_the_activation_after_it_with_their_convolution():
    net = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.ReLU6(), nn.Conv2d(4, 4, 1), nn.ReLU(), nn.Conv2d(4, 1, 1)
    )
    assert [name for name, layer in listed(net, "paper").items() if layer.skipped is None] == ["2", "3", "4", "5"]


def test_a_selection_of_nothing_says_what_there_is():
    layers, *_ = trace_layers(Plain().eval(), torch.rand(1, 3, 8, 8))
    with pytest.raises(UserError, match="first, relu, second"):
        select_layers(layers, "encoder.*")
    for wrong in ("encoder.*", ["lst"], "convs", []):  # although the last map is always explained
        with pytest.raises(UserError, match="leaf, conv, block, paper, or patterns of first, relu"):
            listed(Plain(), wrong)
    with pytest.raises(UserError, match="selects nothing that can be explained"):
        listed(Odd(), "tokens")  # listed, but skipped
    assert [name for name, one in listed(Plain(), "last").items() if not one.skipped] == ["last"]


def test_of_many_layers_a_wrong_name_shows_those_that_resemble_it():
    net = nn.Sequential(*(nn.Conv2d(3, 3, 1) for _ in range(39)), nn.Conv2d(3, 1, 1))
    with pytest.raises(UserError, match=r"40 layers such as 0, 1, 2, 3, 4; Explainer\(net\).layers\(\) lists them"):
        listed(net, "encoder")
    with pytest.raises(UserError, match=r"40 layers such as 27; "):
        listed(net, "27b")


def test_in_place_operations_on_a_view_keep_the_sources_of_both():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.head = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(4, 1, 1)

        def forward(self, images):
            x = self.a(images)
            x[:, :2] += self.b(images)
            return self.head(x)

    assert listed(Halves())["head"].parents == ("a", "b")


def test_no_hook_is_left_after_tracing():
    net = Plain()
    Explainer(net).layers((8, 8))
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())
