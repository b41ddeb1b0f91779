"""What holds for every preset: independence of the batch, the state of the network, awkward inputs, the result."""

from __future__ import annotations

import re

import pytest
import torch
from tests.explanation.nets import MATCHING, Functional, Normalised, Odd, Plain
from torch import nn
from torch.testing import assert_close

from explainsal.errors import ModelError, UserError
from explainsal.explanation import PRESETS, Explainer, Explanation
from explainsal.explanation.input_maps import input_maps
from explainsal.explanation.responses import bank_responses
from explainsal.explanation.transfer import transfer_functions
from explainsal.functional.log_gabor import filter_responses

ALL = pytest.mark.parametrize("preset", list(PRESETS))
LOOPS = pytest.mark.usefixtures("loops_or_plain")


def smooth(count=2, size=(24, 32)):
    return nn.functional.avg_pool2d(torch.rand(count, 3, *size), 5, stride=1, padding=2)


def hooks(net):
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in net.modules())


@ALL
def test_a_result_does_not_depend_on_the_rest_of_the_batch(preset):
    net, images = Functional(), smooth(3)
    together, alone = Explainer(net, preset)(images), Explainer(net, preset)(images[1:2])
    assert torch.equal(together.explainable_map[1:2], alone.explainable_map)
    for a, b in zip(together.layers, alone.layers, strict=True):
        assert torch.equal(a.coefficients.weights[1:2], b.coefficients.weights)
        assert torch.equal(a.kept[1:2], b.kept)


@ALL
@pytest.mark.parametrize("net", [Plain(), Functional(), Odd(), Normalised("softmax"), Normalised("minmax")])
def test_any_network_is_explained_and_its_own_map_is_untouched(preset, net):
    images = smooth(1)
    out = Explainer(net, preset)(images)
    assert torch.equal(out.saliency_map, net.eval()(images))
    assert out.explainable_map.shape == (1, 1, 24, 32)
    assert out.explainable_map.isfinite().all()


@pytest.mark.parametrize("ending", ["softmax", "minmax"])
def test_the_networks_own_last_steps_follow_the_reconstruction(ending):
    net, images = Normalised(ending), smooth(2)
    out = Explainer(net, "sparse")(images, keep_maps=True)
    assert out.layers[-1].name == "head"
    maps = out["head"].reconstructions
    low, high = maps.amin((1, 2, 3), keepdim=True), maps.amax((1, 2, 3), keepdim=True)
    expected = {"softmax": maps.flatten(1).log_softmax(1).reshape(maps.shape), "minmax": (maps - low) / (high - low)}
    assert_close(out.explainable_map, expected[ending])
    assert not any(module._forward_hooks for module in net.modules())


def test_activations_behind_an_in_place_relu_are_those_of_the_convolution():
    net, images = Plain(), smooth(1)
    out = Explainer(net, "sparse")(images, keep_maps=True)
    assert torch.equal(out["first"].activations, net.first(images).detach())
    assert out["first"].activations.min() < 0
    assert torch.equal(out["relu"].activations, net.first(images).relu().detach())


@ALL
@pytest.mark.parametrize("kind", ["luminance", "opponent"])
def test_coefficients_rebuild_the_maps(preset, kind):
    """The combination of the named filters of the named pool maps is the reconstruction, at a scale of 1."""
    net, images = Plain(), smooth(1)
    options = {} if preset == "sparse" else {"scales": (1,), "rescale": "none"}
    options["input_maps"] = kind
    explainer = Explainer(net, preset, **options)
    out, pixels = explainer(images, keep_maps=True), explainer.output_weights(images)
    counts = torch.ones(24, 32) if pixels is None else pixels.at("second", (24, 32), torch.float32).reshape(24, 32)
    layer = out["second"]
    terms = layer.coefficients
    for a in range(layer.shape[0]):
        total = torch.zeros(24, 32)
        for weight, source, channel, place in zip(
            terms.weights[0, a], terms.source[0, a], terms.channel[0, a], terms.filter[0, a], strict=True
        ):
            if source >= 0:
                parent = layer.parents[source]
                one = (
                    input_maps(images, kind)[0, channel]
                    if parent == "input"
                    else out[parent].reconstructions[0, channel]
                )
                candidate = bank_responses(out.bank, one)[out.bank.available(one.shape).tolist().index(place)]
                if out.options.scaling == "standardize":
                    candidate = candidate - (counts * candidate).mean()
                    candidate = candidate / (counts * candidate.square()).mean().sqrt()
                total += weight * candidate
        if terms.constant is not None:
            total += terms.constant[0, a]
        expected = layer.reconstructions[0, a]
        assert_close(total.abs() if preset == "paper" else total, expected, rtol=1e-3, atol=1e-4)


@ALL
@LOOPS
def test_dead_maps_are_defined(preset):
    net = Plain()
    with torch.no_grad():
        net.second.weight[1], net.second.bias[1] = 0, 0.25
    layer = Explainer(net, preset)(smooth(1), keep_maps=True)["second"]
    assert layer.dead[0].tolist() == [False, True, False, False]
    assert layer.correlation[0, 1].isnan()
    assert layer.relative_mae[0, 1].isinf()
    assert layer.reconstructions.isfinite().all()
    if preset != "paper":  # the paper's plain error is glad to take dead maps
        assert 1 not in layer.kept[0]
        assert_close(layer.reconstructions[0, 1], torch.full((24, 32), 0.25))


@ALL
@LOOPS
@pytest.mark.parametrize("value", [torch.nan, -torch.inf])
def test_a_map_with_nan_or_infinity_costs_itself_and_nobody_else(preset, value):
    net, images = Plain(), smooth(2)
    clean = Explainer(net, preset, output_weight=0)(images, keep_maps=True)["second"]  # other outputs, other weights
    with torch.no_grad():
        net.second.bias[2] = value
    out = Explainer(net, preset, output_weight=0)(images, keep_maps=True)["second"]
    assert out.reconstructions[:, 2].isnan().all()
    assert torch.equal(out.reconstructions[:, [0, 1, 3]], clean.reconstructions[:, [0, 1, 3]])
    assert out.activation_mae[:, 2].isnan().all()
    assert (out.coefficients.source[:, 2] == -1).all()
    assert not out.dead.any()
    assert not (out.kept == 2).any()


def test_all_pixels_count_alike_where_the_output_is_not_finite():
    net, images = Plain(), smooth(2)
    with torch.no_grad():
        net.second.bias[2] = torch.nan
    out, flat = (
        Explainer(net, "sparse", **some)(images, keep_maps=True)["first"] for some in ({}, {"output_weight": 0})
    )
    assert_close(out.reconstructions, flat.reconstructions)


def test_an_image_of_nan_does_not_touch_its_neighbour():
    net, images = Plain(), smooth(2)
    broken = images.clone()
    broken[0] = torch.nan
    out = Explainer(net, "sparse")(broken)
    assert out.explainable_map[0].isnan().all()
    assert torch.equal(out.explainable_map[1:], Explainer(net, "sparse")(images[1:]).explainable_map)


def test_the_network_is_left_as_it_was_found():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 1, 1))
    net[1].eval()
    modes = [module.training for module in net.modules()]
    statistics = net[1].running_mean.clone()
    net.train()
    net[1].eval()
    Explainer(net, "sparse")(smooth(2))
    assert [module.training for module in net.modules()] == modes
    assert torch.equal(net[1].running_mean, statistics)
    assert hooks(net) == 0
    assert all(p.requires_grad for p in net.parameters())


def test_a_network_that_changes_its_images_in_place_leaves_them_to_their_owner():
    class Centred(Plain):
        def forward(self, images):
            return super().forward(images.sub_(0.5))

    images = smooth(2)
    before = images.clone()
    explainer = Explainer(Centred(), "sparse")
    first = explainer(images)
    assert torch.equal(images, before)
    assert torch.equal(explainer(images).saliency_map, first.saliency_map)


def test_no_hook_is_left_and_modes_are_restored_when_the_network_fails():
    class Fails(Plain):
        broken = False

        def forward(self, images):
            x = self.second(self.relu(self.first(images)))
            if self.broken:
                raise RuntimeError("out of order")
            return self.last(x)

    net = Fails()
    explainer = Explainer(net, "sparse")
    explainer(smooth(1))
    net.broken = True
    with pytest.raises(RuntimeError, match="out of order"):
        explainer(smooth(1))
    assert hooks(net) == 0
    assert net.training


def test_inference_mode_autocast_and_compiled_modules_change_nothing():
    net, images = Functional(), smooth(1)
    expected = Explainer(net, "sparse")(images).explainable_map
    with torch.inference_mode():
        assert torch.equal(Explainer(net, "sparse")(images).explainable_map, expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = Explainer(net, "sparse")(images).explainable_map
        assert out.dtype == torch.float32
        assert torch.equal(out, expected)
    compiled = torch.compile(net, backend="eager")
    compiled(images)
    assert torch.equal(Explainer(compiled, "sparse")(images).explainable_map, expected)


def test_compiled_code_within_a_network_runs_eagerly():
    """A forward method or a function that is compiled, too, though its module does not look compiled."""
    net, images = Plain().eval(), smooth(1)
    expected = Explainer(net, "sparse")(images)
    graphs = []
    net.forward = torch.compile(net.forward, backend=lambda graph, inputs: graphs.append(graph) or graph.forward)
    net(images)
    count = len(graphs)
    out = Explainer(net, "sparse")(images)
    assert len(graphs) == count == 1  # the hooks would have been compiled along with the network
    assert [layer.name for layer in out.layers] == [layer.name for layer in expected.layers]
    assert torch.equal(out.explainable_map, expected.explainable_map)


def test_parallel_and_compiled_wrappers_are_looked_through():
    class Model(nn.Module):
        description = "untrained weights"

        def __init__(self):
            super().__init__()
            self.net = Plain()

        def preprocess(self, images):
            return images

        def finish(self, maps):
            return maps.exp()

        def forward(self, images):
            return self.finish(self.net(images))

    model, images = Model(), smooth(1)
    expected = Explainer(model, "sparse")(images)
    for wrapped in (nn.DataParallel(model), torch.compile(nn.DataParallel(model), backend="eager")):
        out = Explainer(wrapped, "sparse")(images)
        assert out.description == "untrained weights"
        assert [layer.name for layer in out.layers] == [layer.name for layer in expected.layers]
        assert torch.equal(out.explainable_map, expected.explainable_map)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")
def test_torchscript_is_refused():
    script = torch.jit.script(nn.ReLU())
    with pytest.raises(ValueError, match="1 is TorchScript, which hides its layers"):
        Explainer(nn.Sequential(nn.Conv2d(3, 1, 1), script))


def test_filters_sampled_in_inference_mode_serve_gradients_later():
    maps, bank = torch.rand(19, 23), Explainer(Plain(), "sparse").options.bank
    with torch.inference_mode():
        transfer_functions(bank, (19, 23))
    maps.requires_grad_()
    filter_responses(maps, transfer_functions(bank, (19, 23))).real.sum().backward()
    assert maps.grad.isfinite().all()


def test_half_precision_networks_are_explained_in_float32():
    out = Explainer(Plain().bfloat16(), "sparse")(smooth(1))
    assert out.explainable_map.dtype == torch.float32
    assert out.explainable_map.isfinite().all()


@ALL
@LOOPS
def test_images_outside_of_0_to_1_are_taken_as_they_are(preset):
    net, images = Plain(), 255 * smooth(1) - 100  # a network with its own input range
    out = Explainer(net, preset)(images)
    assert torch.equal(out.saliency_map, net(images))
    assert out.explainable_map.isfinite().all()
    bright = Explainer(net, preset)(images.clamp(0, 1))
    assert not torch.equal(out.explainable_map, bright.explainable_map)  # nothing was clamped on the way
    assert Explainer(net, preset)(images.double()).explainable_map.dtype == torch.float32


def test_luminance_is_rec601_or_the_mean_of_the_channels():
    rgb = torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1)
    assert input_maps(rgb).item() == pytest.approx(0.299 + 0.587 * 0.5 + 0.114 * 0.25)
    assert input_maps(rgb[:, :2]).item() == input_maps(rgb[:, :2], "opponent").item() == 0.75
    assert input_maps(torch.tensor([255, 0, 0], dtype=torch.uint8).reshape(1, 3, 1, 1)).item() == pytest.approx(0.299)


def test_opponent_maps_are_luminance_red_green_and_blue_yellow():
    rgb = torch.tensor([1.0, 0.5, 0.25]).reshape(1, 3, 1, 1)
    assert input_maps(rgb, "opponent").flatten().tolist() == pytest.approx([0.621, 0.5, -0.5])
    images = smooth(1)
    assert torch.equal(input_maps(images, "opponent")[:, :1], input_maps(images))
    with pytest.raises(ValueError, match="'luminance', 'opponent'"):
        input_maps(rgb, "hsv")


def test_a_network_that_is_wrapped_is_explained_at_its_own_size():
    class Wrapper(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Plain()

        def preprocess(self, images):
            return nn.functional.interpolate(images.float() / 255, size=(16, 24))

        def forward(self, images):
            return nn.functional.interpolate(self.net(self.preprocess(images)), size=images.shape[-2:])

    images = torch.randint(0, 256, (1, 3, 40, 60), dtype=torch.uint8)
    out = Explainer(Wrapper(), "sparse")(images)
    assert [layer.name for layer in out.layers] == ["first", "relu", "second", "relu:2", "last"]
    assert out.layers[-1].shape == (1, 16, 24)
    assert out.explainable_map.shape == out.saliency_map.shape == (1, 1, 40, 60)


@pytest.mark.parametrize(
    ("net", "images", "message"),
    [
        (Plain(), torch.rand(3, 8, 8), "B, C, H, W"),
        (nn.Conv2d(3, 2, 1), torch.rand(1, 3, 8, 8), "one map per image"),
    ],
)
def test_wrong_shapes_are_refused_with_what_is_expected(net, images, message):
    with pytest.raises(ValueError, match=message):
        Explainer(net)(images)


def test_a_network_that_changes_its_layers_is_refused():
    class Fickle(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 1, 1)
            self.turn = 0

        def forward(self, images):
            self.turn += 1
            return self.a(images) if self.turn == 1 else self.b(images)

    with pytest.raises(ValueError, match="same layers"):
        Explainer(Fickle())(smooth(1))


class DataDependent(Plain):
    """Runs `first` once more, or `second` before it, where the image is bright."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind
        self.extra = nn.Conv2d(3, 3, 3, padding=1)

    def forward(self, images):
        if self.kind == "more" and images.mean() > 0.5:
            images = self.extra(images)
        if self.kind == "fewer" and images.mean() > 0.5:
            return self.last(self.first(images))
        return super().forward(images)


@pytest.mark.parametrize("kind", ["more", "fewer"])
@pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])
def test_images_that_run_other_layers_than_the_first_are_refused(kind, together, monkeypatch):
    dark, bright = 0.3 * smooth(1), 0.7 + 0.3 * smooth(1)
    if together:  # as on an accelerator
        monkeypatch.setattr("explainsal.explanation.explainer.images_at_once", lambda *args: 2)
    explain = Explainer(DataDependent(kind), "sparse", fill_pool=False)
    for images in (torch.cat([dark, bright]), torch.cat([bright, dark])):
        with pytest.raises(ValueError, match="the same layers for all images of one size"):
            explain(images)
    explain = Explainer(DataDependent(kind), "sparse", fill_pool=False)
    explain(dark)
    with pytest.raises(ModelError, match="extra came where first" if kind == "more" else "relu"):
        explain(bright)
    assert hooks(explain.net) == 0


class Returning(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.net, self.change = nn.Conv2d(3, 2, 3, padding=1), change

    def forward(self, images):
        return self.change(self.net(images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda y: {"aux": 1, "out": y[:, :1]}, r"a dictionary with 'aux', 'out'. Wrap it .* net\(images\)\['out'\]"),
        (lambda y: (y.mean(), y[:, :1]), r"a tuple of 2. Wrap it .* net\(images\)\[1\]"),
        (lambda y: y, r"2 maps per image. Wrap it .* net\(images\)\[:, :1\]"),
        (lambda y: y.mean((1, 2, 3)), r"\(1,\), which holds numbers"),
        (lambda y: y.mean((2, 3), keepdim=True)[:, :1], r"\(1, 1, 1, 1\), which holds numbers"),
        (lambda y: None, "NoneType"),
    ],
    ids=["dict", "tuple", "two channels", "scalar", "one pixel", "nothing"],
)
def test_what_is_no_map_is_refused_before_a_layer_is_rebuilt(change, message, monkeypatch):
    monkeypatch.setattr("explainsal.explanation.explainer.Chain", lambda *args: pytest.fail("a layer is rebuilt"))
    with pytest.raises(ModelError, match=message):
        Explainer(Returning(change), "sparse")(smooth(2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"preset": "fancy"}, "paper, normalized, sparse"),
        ({"topk": 3}, "top_k"),
        ({"coefficients": "ridge"}, "'inverse_mae', 'least_squares', 'greedy', 'omp', 'nnls'"),
        ({"ridge": -1.0}, "ridge must be a number from 0"),
        ({"ridge": float("nan")}, "ridge must be a number from 0"),
        ({"ridge": "a"}, "ridge must be a number from 0, got 'a'"),
        ({"generations": 0}, "generations must be at least 1"),
        ({"generations": 1.5}, "generations must be at least 1, a whole number; got 1.5"),
        ({"pool_size": "10"}, "a whole number; got '10'"),
        ({"fill_pool": "no"}, "fill_pool must be true or false, got 'no'"),
        ({"signed": "off"}, "signed must be true or false"),
        ({"joint_scales": 1}, "joint_scales must be true or false"),
        ({"scales": 2}, "scales must be a list, got 2"),
        ({"scales": [1, float("nan")]}, "scales must hold positive numbers"),
        ({"scales": "1"}, "scales must hold positive numbers"),
        ({"memory_budget": "2GB"}, "memory_budget must be a number of bytes, such as 2e9"),
        ({"layers": 3}, "layers must be a list, got 3"),
        ({"top_k": 0}, "at least 1"),
        ({"bank": "gabor"}, "paper, octave, kovesi"),
        ({"bank": {"wavelengths": [-1]}}, "positive"),
    ],
)
def test_wrong_options_are_refused_with_what_there_is(options, message):
    with pytest.raises(ValueError, match=message):
        Explainer(Plain(), **options)


def test_nonnegative_coefficients_are_not_negative():
    out = Explainer(Plain(), "sparse", coefficients="nnls")(smooth(1))
    assert all((layer.coefficients.weights >= 0).all() for layer in out.layers)
    signed = Explainer(Plain(), "sparse")(smooth(1))
    assert any((layer.coefficients.weights < 0).any() for layer in signed.layers)


def test_the_chain_takes_candidates_from_where_it_says():
    net, bare = Functional(), {"image_candidates": False, "fill_pool": False}
    sequential = Explainer(net, "sparse", chain="sequential", **bare)(smooth(1))
    assert sequential["fuse"].parents == ("right",)
    graph = Explainer(net, "sparse", **bare)(smooth(1))
    assert graph["fuse"].parents == ("left", "right")
    assert Explainer(net, "sparse", fill_pool=False, image_candidates=True)(smooth(1))["fuse"].parents == (
        "left",
        "right",
        "input",
    )
    for layer in graph.layers:
        used = layer.coefficients.source[layer.coefficients.source >= 0]
        assert used.max() < len(layer.parents)


def test_generations_go_back_along_the_chain_and_leave_the_image_out():
    net, bare = Functional(), {"image_candidates": False, "fill_pool": False}
    parents = {n: Explainer(net, "sparse", generations=n, **bare)(smooth(1))["fuse"].parents for n in (1, 2, 9)}
    assert parents == {1: ("left", "right"), 2: ("left", "right", "stem"), 9: ("left", "right", "stem")}
    back = Explainer(net, "sparse", generations=9, **bare)(smooth(1))
    assert back["stem"].parents == ("input",)
    assert back["head"].parents == ("stem", "fuse", "left", "right")
    chain = {n: Explainer(Plain(), "sparse", generations=n, **bare)(smooth(1)) for n in (1, 2, 3)}
    assert {n: len(out.layers[-1].parents) for n, out in chain.items()} == {1: 1, 2: 2, 3: 3}
    sequential = Explainer(net, "sparse", chain="sequential", generations=2, **bare)(smooth(1))
    assert sequential["fuse"].parents == ("right", "left")


@pytest.mark.parametrize("changes", [{}, {"memory_budget": 350_000}])
def test_least_squares_weights_fit_better_than_inverse_errors_whatever_the_budget(changes):
    net, images = Plain().double(), smooth(2).double()
    own = Explainer(net, "normalized", coefficients="inverse_mae", **changes)(images)
    fitted = Explainer(net, "normalized", coefficients="least_squares", **changes)(images)
    assert (fitted["first"].correlation >= own["first"].correlation - 1e-9).all()
    assert (fitted["first"].correlation > own["first"].correlation + 0.01).any()
    alone = Explainer(net, "normalized", coefficients="least_squares")(images[1:])
    assert_close(fitted.explainable_map[1:], alone.explainable_map, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_small_memory_budget_gives_the_same_maps(preset):
    net, images = Plain().double(), smooth(1).double()
    plenty = Explainer(net, preset)(images)
    tight = Explainer(net, preset, memory_budget=350_000)(images)  # pools, reconstructions, filters included
    largest = plenty.explainable_map.abs().max().item()
    assert_close(tight.explainable_map, plenty.explainable_map, rtol=1e-9, atol=1e-9 * largest)
    for a, b in zip(plenty.layers, tight.layers, strict=True):
        assert torch.equal(a.coefficients.filter, b.coefficients.filter)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_memory_budget_below_what_a_layer_needs_says_how_much_it_needs(preset):
    with pytest.raises(UserError, match="memory_budget=50000 is too small for a layer of 4 maps of 24 x 32"):
        Explainer(Plain(), preset, memory_budget=50_000)(smooth(1))
    with pytest.raises(UserError, match="too small for a layer of 1 maps") as refused:
        Explainer(Plain(), preset, memory_budget=50_000, layers=["last"])(smooth(1))
    least = int(re.search(r"give at least (\d+)", str(refused.value))[1])
    with pytest.raises(UserError, match=f"memory_budget={least - 3} "):
        Explainer(Plain(), preset, memory_budget=least - 3, layers=["last"])(smooth(1))
    assert Explainer(Plain(), preset, memory_budget=least, layers=["last"])(smooth(1)).layers


def test_a_deep_network_needs_no_larger_budget_than_a_shallow_one():
    """Pools go when the last layer that draws on them is done."""

    def chain_of(depth):
        return nn.Sequential(nn.Conv2d(3, 4, 1), *(nn.Conv2d(4, 4, 1) for _ in range(depth)), nn.Conv2d(4, 1, 1))

    with pytest.raises(UserError) as refused:
        Explainer(chain_of(2), "paper", memory_budget=1)(smooth(1))
    start = int(re.search(r"give at least (\d+)", str(refused.value))[1])
    with pytest.raises(UserError) as refused:  # the first layer has only the image beside it
        Explainer(chain_of(2), "paper", memory_budget=start)(smooth(1))
    least = int(re.search(r"give at least (\d+)", str(refused.value))[1])
    assert len(Explainer(chain_of(2), "paper", memory_budget=least)(smooth(1)).layers) == 4
    assert len(Explainer(chain_of(12), "paper", memory_budget=least)(smooth(1)).layers) == 14


def test_terms_name_the_scale_at_which_they_were_matched():
    """The weights of one scale sum to 1 (Eq. 3), those of two halves of two scales do not."""
    out = Explainer(Plain(), "normalized", **MATCHING, scales=(2, 1, 0.5), top_k=2, signed=False)(smooth(1))
    terms = out["second"].coefficients
    assert terms.scale.tolist() == [2, 2, 1, 1, 0.5, 0.5]
    for scale in (2, 1, 0.5):
        assert_close(terms.weights[..., terms.scale == scale].sum(-1), torch.ones(1, 4))


def test_units_of_the_reconstructions_change_no_correlation():
    """`rescale` is an affine map of each reconstruction, which standardised candidates do not see."""
    net, images = Plain().double(), smooth(1).double()
    plain, moments = (Explainer(net, "normalized", **MATCHING, rescale=one)(images) for one in ("none", "moments"))
    for a, b in zip(plain.layers, moments.layers, strict=True):
        assert torch.equal(a.coefficients.filter, b.coefficients.filter)
        assert_close(a.correlation, b.correlation, rtol=1e-7, atol=1e-9, equal_nan=True)  # a ReLU leaves dead maps


def test_a_layer_of_one_map_does_not_starve_what_comes_after_it():
    """Functional: stem 4 maps, head 1 map, output; a pool of 5 places."""
    out = Explainer(Functional(), "sparse", pool_size=5, image_candidates=False, fill_pool=True)(smooth(1))
    assert out["head"].parents == ("stem", "fuse")  # 4 + 4 maps are enough
    assert out["output"].parents == ("head", "stem", "fuse")  # 1 is not
    assert out["left"].parents == ("stem", "input")  # nor are 4


def test_signed_weights_follow_the_correlation_and_keep_their_sign_through_the_mean():
    net, images = Plain(), smooth(1)
    options = MATCHING | {
        "descriptor": "variance",
        "image_candidates": False,
    }  # block variance: the same candidates either way
    out = Explainer(net, "normalized", **options)(images, keep_maps=True)
    plain = Explainer(net, "normalized", signed=False, **options)(images, keep_maps=True)
    first, second = out["first"].coefficients, plain["first"].coefficients
    assert torch.equal(first.filter, second.filter)
    assert_close(first.weights.abs(), second.weights)
    seen = bank_responses(out.bank, input_maps(images)[0, 0])
    for a in range(4):
        for weight, place in zip(first.weights[0, a], first.filter[0, a], strict=True):
            pair = torch.stack([out["first"].activations[0, a].flatten(), seen[place].flatten()])
            assert weight.sign() == torch.corrcoef(pair)[0, 1].sign()
    assert (out["first"].correlation > 0).all()


def test_a_result_knows_how_long_each_layer_took_and_progress_counts_layers(tmp_path):
    seen = []
    out = Explainer(Plain())(smooth(2), progress=lambda done, total: seen.append((done, total)))
    assert out.preset == "sparse"
    count = len(out.layers)
    assert seen == [(i + 1, 2 * count) for i in range(2 * count)]
    for layer in out.layers:
        assert layer.seconds.shape == (2,)
        assert (layer.seconds > 0).all()
    loaded = Explanation.load(out.save(tmp_path))
    assert torch.equal(loaded.layers[0].seconds, out.layers[0].seconds)
