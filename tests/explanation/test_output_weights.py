"""Pixels count by what the network's last step makes of them: one definition for any network."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests.explanation.nets import Plain
from torch import Tensor, nn
from torch.testing import assert_close

from explainsal.explanation import PRESETS, Explainer
from explainsal.explanation.nulls import null_explainer
from explainsal.functional.weighted import averaged_to
from explainsal.models import load_network

SIZE = (48, 64)


class Ending(nn.Module):
    """Smooth scores of one map, and some last step."""

    def __init__(self, ending):
        super().__init__()
        self.body, self.head, self.ending = nn.Conv2d(3, 4, 7, padding=3), nn.Conv2d(4, 1, 7, padding=3), ending
        with torch.no_grad():
            self.head.weight.mul_(60)

    def scores(self, images: Tensor) -> Tensor:
        return self.head(F.relu(self.body(images), inplace=True))

    def forward(self, images: Tensor) -> Tensor:
        return self.ending(self.scores(images))


def softmax(x: Tensor) -> Tensor:
    return x.flatten(1).softmax(1).reshape(x.shape)


def min_max(x: Tensor) -> Tensor:
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return (x - low) / (high - low)


def smooth(count=2, seed=0):
    images = torch.rand(count, 3, *SIZE, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(images, 9, stride=1, padding=4)


def relative(sensitivity: Tensor) -> Tensor:
    return sensitivity / sensitivity.mean((-2, -1), keepdim=True)


def agree(found: Tensor, expected: Tensor) -> None:
    """Equal up to what is taken out of a board of only 48 squares: by less than a fifth almost everywhere."""
    error = (relative(found) / relative(expected) - 1).abs()
    assert error.mean() < 0.08
    assert error.flatten().quantile(0.95) < 0.2


def sensitivity(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    weights = Explainer(net, "sparse", output_weight=1.0).output_weights(images)
    return {} if weights is None else weights.sensitivity


@pytest.fixture(scope="module")
def scores():
    torch.manual_seed(0)
    return Ending(nn.Identity()).scores(smooth()).detach()


def with_ending(ending):
    torch.manual_seed(0)
    return Ending(ending).eval()


def test_behind_a_softmax_it_is_the_density(scores):
    found = sensitivity(with_ending(softmax), smooth())["head"]
    agree(found, softmax(scores))


def test_behind_a_sigmoid_it_is_its_derivative(scores):
    found = sensitivity(with_ending(torch.sigmoid), smooth())["head"]
    s = torch.sigmoid(scores)
    agree(found, s * (1 - s))
    assert relative(found).amin() < 0.8


@pytest.mark.parametrize("ending", [nn.Identity(), lambda x: 3 * x + 1, min_max])
def test_behind_a_linear_step_or_a_scaling_all_places_count_alike(ending):
    found = relative(sensitivity(with_ending(ending), smooth())["head"])
    agree(found, torch.ones_like(found))


def test_what_a_rectifier_cuts_off_does_not_count(scores):
    found = sensitivity(with_ending(lambda x: (x - x.median()).clamp(min=0)), smooth(1))["head"]
    cut = scores[:1] < scores[:1].median()
    assert found[cut].max() == 0
    assert found[~cut].min() > 0


def test_a_last_step_that_enlarges_shows_the_whole_effect_of_every_place():
    enlarged = with_ending(lambda x: softmax(F.interpolate(x, scale_factor=4, mode="bilinear")))
    found = sensitivity(enlarged, smooth())["head"]
    density = F.avg_pool2d(enlarged(smooth()).detach(), 4)
    agree(found, density)


def test_layers_within_the_last_step_count_by_what_follows_them():
    class Modules(Ending):
        def __init__(self):
            super().__init__(nn.Sequential(nn.Sigmoid(), nn.Upsample(scale_factor=2)))

    torch.manual_seed(0)
    found = sensitivity(Modules(), smooth(1))
    assert list(found) == ["head", "ending.0", "ending.1"]
    for name in ("ending.0", "ending.1"):  # what follows is linear
        assert relative(found[name]).amax() < 1.3
    assert relative(found["head"]).amin() < 0.5


def test_the_influence_of_a_map_is_that_of_derivatives_found_by_differences():
    """One number of a map after the other is moved a little; the board and what it leaves out are written out."""
    net = with_ending(softmax).double()
    images = smooth(1).double()[..., :9, :12]
    head, step = net.body(images).relu().detach(), 1e-5

    def end(maps):
        return softmax(net.head(maps))[0, 0]

    s = end(head)
    y, x = torch.meshgrid(torch.arange(9) // 2, torch.arange(12) // 2, indexing="ij")  # six squares along 12 px
    board, centered = 1.0 - 2 * ((y + x) % 2), s - s.mean()
    board = board - board.mean()
    board = board - (board * centered).sum() / centered.square().sum() * centered
    with torch.no_grad():
        expected = torch.zeros(4, 9, 12, dtype=torch.float64)
        for place in torch.cartesian_prod(torch.arange(4), torch.arange(9), torch.arange(12)).tolist():
            moved = [head.clone(), head.clone()]
            for maps, by in zip(moved, (step, -step), strict=True):
                maps[0][tuple(place)] += by
            expected[tuple(place)] = ((end(moved[0]) - end(moved[1])) * board).sum() / (2 * step)
    before = net.body(images).detach()[0]
    derivative = expected * (before > 0)
    expected = (derivative * (before - before.mean((1, 2), keepdim=True))).abs().mean((1, 2))

    weights = Explainer(net, "sparse", output_weight=0.75).output_weights(images)
    assert_close(weights.influence["body"][0], expected, rtol=1e-6, atol=1e-12)
    assert_close(weights.of_maps("body")[0], 0.25 + 0.75 * expected / expected.mean(), rtol=1e-6, atol=1e-12)


def test_a_map_that_nothing_uses_counts_least_and_the_last_map_as_any_other():
    net = with_ending(softmax)
    with torch.no_grad():
        net.head.weight[:, 2] = 0
    weights = Explainer(net, "sparse", output_weight=0.9).output_weights(smooth())
    assert_close(weights.of_maps("body")[:, 2], torch.full((2,), 0.1, dtype=torch.float64))
    assert_close(weights.of_maps("body").mean(1), torch.ones(2, dtype=torch.float64))
    assert torch.equal(weights.of_maps("head"), torch.ones(2, 1, dtype=torch.float64))
    assert weights.of_maps("elsewhere") is None


def test_maps_of_which_nothing_is_seen_count_alike():
    net = with_ending(lambda x: (x - 1e6).clamp(min=0) + 0 * x)
    weights = Explainer(net, "sparse", output_weight=0.9).output_weights(smooth(1))
    assert torch.equal(weights.of_maps("body"), torch.ones(1, 4, dtype=torch.float64))


def test_no_derivative_no_weights():
    class Cut(Ending):
        def forward(self, images):
            return (self.scores(images) > 0).float()

    class Means(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.AvgPool2d(3, 1, 1)

        def forward(self, images):
            return self.pool(images).mean(1, keepdim=True)

    images = smooth(1)
    assert Explainer(Cut(None), "sparse", output_weight=0.9).output_weights(images) is None
    assert Explainer(Plain(), "sparse", output_weight=0.0).output_weights(images) is None
    assert Explainer(Means(), "sparse", output_weight=0.9).output_weights(images) is None


def test_weights_have_mean_one_at_every_size_and_a_floor():
    weights = Explainer(with_ending(softmax), "sparse", output_weight=0.9).output_weights(smooth())
    assert weights is not None
    for size in ((48, 64), (12, 16), (7, 5), (1, 1), (96, 100)):
        at = weights.at("body", size, torch.float64)
        assert at.shape == (2, 1, size[0] * size[1])
        assert_close(at.mean(-1), torch.ones(2, 1, dtype=torch.float64))
        assert at.min() >= 0.1 - 1e-9


def test_a_map_averaged_down_keeps_its_mean_and_one_enlarged_its_corners():
    maps = torch.rand(1, 1, 6, 8)
    assert_close(averaged_to(maps, (3, 4)), F.avg_pool2d(maps, 2))
    assert averaged_to(maps, (12, 16))[0, 0, 0, 0] == maps[0, 0, 0, 0]
    assert averaged_to(maps, (3, 16)).shape[-2:] == (3, 16)


def test_an_image_of_which_nothing_is_seen_is_explained_with_equal_weights():
    net, images = with_ending(lambda x: (x - 1e6).clamp(min=0) + 0 * x), smooth(1)
    weights = Explainer(net, "sparse", output_weight=0.9).output_weights(images)
    assert weights is not None
    assert torch.equal(weights.at("head", (12, 16), torch.float32), torch.ones(1, 1, 192))


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad, torch.enable_grad])
def test_the_network_is_left_as_it_was_and_the_mode_does_not_matter(mode):
    net, images = with_ending(softmax), smooth(1)
    expected = sensitivity(net, images)["head"]
    with mode():
        before = torch.is_grad_enabled()
        found = sensitivity(net, images)["head"]
        assert torch.is_grad_enabled() == before
    assert torch.equal(found.clone(), expected)
    assert all(p.grad is None for p in net.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


@pytest.mark.parametrize("preset", list(PRESETS))
def test_weights_change_an_explanation_and_its_null_model_uses_the_same(preset):
    net, images = with_ending(softmax), smooth(1)
    flat, weighted = (Explainer(net, preset, output_weight=t) for t in (0.0, 0.9))
    one, other = flat(images), weighted(images)
    assert not torch.equal(one.explainable_map, other.explainable_map)
    assert torch.equal(one.saliency_map, other.saliency_map)
    null = null_explainer(weighted, "shuffled_filters")
    assert null.options.output_weight == 0.9
    mine, its = weighted.output_weights(images), null.output_weights(images)
    assert mine is not None
    assert its is not None
    assert torch.equal(mine.sensitivity["head"], its.sensitivity["head"])
    for a, b in ((one, one), (other, other)):
        same = [torch.equal(x.correlation, x.weighted_correlation) for x in a.layers if not x.dead.any()]
        assert all(same) if b is one else not any(same)


def test_in_its_own_inner_product_no_fit_of_as_many_terms_is_worse_than_the_plain_one():
    """On the first layer, whose candidates are the same in both."""
    net, images = with_ending(softmax), smooth(1)
    flat, weighted = (Explainer(net, "sparse", output_weight=t) for t in (0.0, 0.95))
    weights = weighted.output_weights(images)
    assert weights is not None
    error = []
    for explainer in (flat, weighted):
        layer = explainer(images, keep_maps=True)["body"]
        squares = (layer.activations - layer.reconstructions).square().flatten(2)
        error.append((squares * weights.at("body", SIZE, torch.float32)).mean())
    assert error[1] < error[0]


def test_a_share_outside_of_0_to_1_is_refused():
    for wrong in (-0.1, 1.5, float("nan"), "much", True):
        with pytest.raises(ValueError, match="output_weight must be a number from 0 to 1"):
            Explainer(Plain(), "sparse", output_weight=wrong)


def test_the_packaged_networks_sigmoid_is_found():
    model = load_network("cmrnet_osie")
    found = sensitivity(model, torch.rand(1, 3, 96, 128))
    assert list(found) == ["decoder.4", "sigmoid", "output"]
