"""The other architectures of Table IV: published numbers of parameters, and the common interface of networks."""

import pytest
import torch
from torch.testing import assert_close

from explainsal import Explainer, load_model
from explainsal.models.dinet import DINet
from explainsal.models.dsclrcn import DSCLRCN, BothWays
from explainsal.models.dva import DVA
from explainsal.models.sam_resnet import AttentiveConvLSTM, Priors, SAMResNet
from explainsal.models.trunks import DilatedResNet50

# learnable parameters, BatchNorm statistics
COUNTS = {
    DINet: (26_983_744, 53_120),
    SAMResNet: (70_093_441, 53_120),
    DSCLRCN: (30_302_597, 53_120),
    DVA: (25_072_735, 0),
}
NAMES = ("dinet", "sam_resnet", "dsclrcn", "dva")


@pytest.mark.parametrize("network", COUNTS)
def test_parameters_are_as_many_as_published(network):
    with torch.device("meta"):
        net = network()
    statistics = sum(value.numel() for name, value in net.named_buffers() if "running" in name)
    assert (sum(value.numel() for value in net.parameters()), statistics) == COUNTS[network]


def test_the_trunk_keeps_an_eighth_of_the_resolution():
    with torch.device("meta"):
        fourth, fifth = DilatedResNet50()(torch.zeros(1, 3, 64, 96))
    assert fourth.shape == (1, 1024, 8, 12)
    assert fifth.shape == (1, 2048, 8, 12)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_each_is_a_model_like_any_other(name):
    torch.manual_seed(0)
    model = load_model(name, input_size=(64, 96))
    assert model.description == "untrained weights"
    images = torch.rand(2, 3, 50, 70)
    with torch.no_grad():
        maps = model(images)
        again = model(images[1:])
    assert maps.shape == (2, 1, 50, 70)
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert_close(again, maps[1:], rtol=1e-3, atol=1e-6)


@pytest.mark.slow
def test_layers_of_dva_are_rebuilt():
    torch.manual_seed(0)
    out = Explainer(load_model("dva", input_size=(32, 32)), "sparse", pool_size=3, top_k=2)(torch.rand(1, 3, 32, 32))
    assert out.explainable_map.shape == (1, 1, 32, 32)
    assert len(out.layers) > 50


def test_a_line_is_read_from_both_ends_by_one_lstm():
    """The LSTM equals torch's with the same weights; the scene is an input of the first step."""
    torch.manual_seed(0)
    both = BothWays(5)
    oracle = torch.nn.LSTM(5 + 128, 128, batch_first=True)
    order = [0, 1, 3, 2]  # ours: input, forget, output, candidate; torch's: input, forget, candidate, output

    def ordered(weight):
        return torch.cat([weight.chunk(4)[i] for i in order])

    with torch.no_grad():
        oracle.weight_ih_l0.copy_(ordered(torch.cat([both.of_input.weight, both.of_scene.weight], dim=1)))
        oracle.weight_hh_l0.copy_(ordered(both.of_state.weight))
        oracle.bias_ih_l0.copy_(ordered(both.of_input.bias))
        oracle.bias_hh_l0.zero_()
        lines, scene = torch.rand(2, 3, 7, 5), torch.rand(2, 128)
        seen = both(lines, scene)
        for way, part in ((lines, seen[..., :128]), (lines.flip(2), seen[..., 128:].flip(2))):
            first = torch.zeros(2, 3, 7, 128)
            first[:, :, 0] = scene[:, None]
            expected, _ = oracle(torch.cat([way, first], dim=-1).flatten(0, 1))
            assert_close(part.flatten(0, 1), expected)


def test_attention_weighs_positions_and_priors_join_the_maps():
    torch.manual_seed(0)
    with torch.no_grad():
        assert AttentiveConvLSTM(4)(torch.rand(2, 4, 5, 6)).shape == (2, 4, 5, 6)
        priors = Priors()
        priors.center.fill_(0.5)
        priors.spread.fill_(0.25)
        joined = priors(torch.zeros(1, 2, 5, 7))
    assert joined.shape == (1, 18, 5, 7)
    assert_close(joined[0, 2, 2, 3], torch.tensor(1.0))  # the middle of the map
    assert_close(joined[0, 2, 2, 0], torch.exp(torch.tensor(-(((0.5 / 7 - 0.5) / 0.25) ** 2) / 2)))
