"""The standalone model: shared coefficients, a frozen graph, a file."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.explanation.nets import Plain
from torch import nn
from torch.testing import assert_close

from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.explanation import FilterBank
from explainsal.explanation.input_maps import input_maps
from explainsal.explanation.rebuilt import covering
from explainsal.explanation.standalone import (
    Distillation,
    DistillOptions,
    RefineOptions,
    Stage,
    Standalone,
    attribute,
    load_standalone,
    refine,
    save_standalone,
    term_table,
)
from explainsal.explanation.standalone.moments import Moments
from explainsal.explanation.standalone.quality import attribution_table, stage_quality
from explainsal.explanation.standalone.refine import center_level
from explainsal.explanation.standalone.responses import center_maps, pair_responses
from explainsal.explanation.standalone.stage import StageTerms
from explainsal.functional.log_gabor import filter_responses, gaussian_bank
from explainsal.loading import load_model

SIZE = (16, 24)
BANK = FilterBank(
    wavelengths=(4.0, 8.0), n_orientations=3, sigma_on_f=(0.6,), sigma_theta=(0.6,), low_pass=(1.0, 2.0),
    low_pass_parts=("even", "half_wave", "half_squared"), up_to_map_size=True,
)  # fmt: skip
OPTIONS = DistillOptions(bank=BANK, layers="leaf", terms=4, pool_size=3)


def samples(count=6, size=SIZE, batch=4):
    """Images that hold something: blurred noise with contrast."""
    noise = torch.rand(count, 3, size[0] + 2, size[1] + 2, generator=torch.Generator().manual_seed(3))
    images = nn.functional.avg_pool2d(noise, 3, stride=1)
    density = images.mean(1).square()
    return lambda: iter([(images[i : i + batch], density[i : i + batch]) for i in range(0, count, batch)])


def fitted(net=None, options=OPTIONS, count=6, store=None, stages=None):
    fit = Distillation(Plain() if net is None else net, samples(count), count, options, store=store)
    while fit.todo and (stages is None or len(fit.model.stages) < stages):
        fit.step()
    return fit


@pytest.fixture(scope="module")
def fit():
    torch.manual_seed(0)
    return fitted()


@pytest.mark.parametrize("border", ["circular", "reflect"])
@pytest.mark.parametrize("parts", [("energy",), ("even", "odd", "energy")])
def test_a_pair_is_what_the_bank_makes_of_that_map(border, parts):
    bank = FilterBank(
        wavelengths=(3.0, 30.0), n_orientations=2, sigma_on_f=(0.6, 0.7), sigma_theta=(0.6, 0.5), parts=parts,
        low_pass=(1.0, 2.0), low_pass_parts=("even", "half_squared", "half_wave"), up_to_map_size=True, border=border,
    )  # fmt: skip
    maps = torch.rand(2, 3, 9, 14, dtype=torch.float64)
    every, served = bank.candidates(maps), bank.available((9, 14))
    assert len(served) < len(bank)  # the long wavelength does not fit: positions and rows differ
    order = torch.randperm(3 * len(served), generator=torch.Generator().manual_seed(0))
    place, column = order // len(served), order % len(served)
    assert_close(pair_responses(maps, bank, place, served[column]), every[:, place, column], rtol=1e-9, atol=1e-12)


def test_a_filter_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="8 px does not serve maps of 4 x 6"):
        pair_responses(torch.rand(1, 1, 4, 6), BANK, torch.tensor([0]), torch.tensor([1]))


def test_moments_find_the_shared_coefficients_of_all_images():
    generator = np.random.default_rng(0)
    candidates = generator.normal(2.0, [[[1.0]], [[5.0]], [[0.1]], [[3.0]], [[1.0]]], size=(4, 5, 8, 9))
    candidates[:, 4] = 7.0  # constant: no use
    maps = np.stack([3 * candidates[:, 1] - 40 * candidates[:, 2] + 5, 0 * candidates[:, 0] + 2], axis=1)
    c, x = torch.from_numpy(candidates), torch.from_numpy(maps)
    whole, parts = Moments(5, 2), Moments(5, 2)
    whole.add(c, x)
    for i in (0, 1, 2, 3):
        parts.add(c[i : i + 1], x[i : i + 1])
    fit = whole.fit(2, 2)
    assert sorted(fit.index[0].tolist()) == [1, 2]
    weights = dict(zip(fit.index[0].tolist(), fit.weight[0].tolist(), strict=True))
    assert [weights[1], weights[2], fit.constant[0].item()] == pytest.approx([3, -40, 5], rel=1e-6)
    assert fit.index[1].tolist() == [-1, -1]
    assert (fit.constant[1].item(), fit.kept, math.isnan(fit.explained[1])) == (2.0, (0,), True)
    assert whole.spread[4] == 0
    assert_close(whole.spread[:4], torch.from_numpy(candidates[:, :4].std((0, 2, 3))))
    assert_close(parts.fit(2, 2).weight, fit.weight)
    assert_close(whole.lowest, torch.from_numpy(maps.min((0, 2, 3))))


def test_few_terms_are_a_least_squares_fit_on_their_support():
    generator = torch.Generator().manual_seed(1)
    c, x = torch.rand(3, 6, 5, 7, generator=generator).double(), torch.rand(3, 2, 5, 7, generator=generator).double()
    moments = Moments(6, 2)
    moments.add(c, x)
    fit = moments.fit(3, 2)
    for a in range(2):
        columns = c.transpose(0, 1).flatten(1)[fit.index[a]].numpy().T
        design = np.column_stack([columns, np.ones(len(columns))])
        expected = np.linalg.lstsq(design, x[:, a].flatten().numpy(), rcond=None)[0]
        np.testing.assert_allclose([*fit.weight[a], fit.constant[a]], expected, rtol=1e-6)


def test_the_pool_is_the_greedy_choice_by_explained_variance():
    generator = np.random.default_rng(2)
    maps = generator.normal(size=(200, 5))
    rebuilt = maps @ generator.normal(size=(5, 5)) * 0.3 + generator.normal(size=(200, 5))
    rebuilt[:, 4] = rebuilt[:, 0] * 2  # a copy
    maps, rebuilt = maps - maps.mean(0), rebuilt - rebuilt.mean(0)
    maps /= maps.std(0)
    chosen = []
    for _ in range(4):
        left = {}
        for i in set(range(5)) - set(chosen):
            columns = rebuilt[:, [*chosen, i]]
            if np.linalg.matrix_rank(columns, tol=1e-6) > len(chosen):
                left[i] = np.linalg.lstsq(columns, maps, rcond=None)[1].sum()
        chosen.append(min(left, key=left.get))
    gram, cross = (torch.from_numpy(a.T @ rebuilt / 200) for a in (rebuilt, maps))
    assert covering(gram[None], cross[None], 5).tolist() == [[*chosen, -1]]


def test_a_blur_of_the_image_is_distilled_exactly():
    """A network that is itself one filter of the bank: the fit has to find that filter and nothing else."""

    class Blur(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(3.0))

        def forward(self, images):
            gray = images.mul(torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
            return self.scale * BANK.candidates(gray)[:, 0, -3:-2] + 1  # sigma 2 px, even

    done = fitted(Blur(), OPTIONS)
    images = next(samples()())[0]
    assert_close(done.model(images), Blur()(images), rtol=1e-4, atol=1e-4)
    best = term_table(done.model).sort_values("share").iloc[-1]
    assert (best["part"], best["source"]) == ("even", "input/luminance")
    assert best["wavelength"] == pytest.approx(2 * math.pi * 2)
    assert best["weight"] == pytest.approx(3, rel=1e-4)
    assert done.explained[done.layers[-1].name] == pytest.approx([1.0])


def test_stages_follow_the_network_and_keep_few_terms(fit):
    assert [stage.name for stage in fit.model.stages] == ["first", "relu", "second", "relu:2", "last"]
    assert fit.model.stages[2].sources == ("relu", "input", "center")
    assert all(len(stage.channels) <= 3 for stage in fit.model.stages)
    assert all((stage.source >= 0).sum(1).max() <= 4 for stage in fit.model.stages)
    table = term_table(fit.model)
    assert fit.model.coefficients == len(table) + sum(len(stage.channels) for stage in fit.model.stages)
    assert set(table["source"].str.split("/").str[0]) <= {"input", "center", "first", "relu", "second", "relu:2"}


def test_every_map_is_the_sum_of_its_terms_and_never_below_what_was_seen(fit):
    images = next(samples()())[0]
    seen = fit.model.seen(images)
    maps = fit.model.stage_maps(seen)
    for stage, one in zip(fit.model.stages, seen, strict=True):
        for number in range(len(stage.channels)):
            total = stage.contributions(maps, one, number).sum(1) + stage.constant[number]
            assert_close(maps[stage.name][:, number], total.clamp_min(stage.lowest[number]))
    assert all(stage.lowest.min() == 0 for stage in fit.model.stages if stage.name.startswith("relu"))


@pytest.mark.parametrize("by", ["source", "wavelength", "orientation", "part"])
def test_an_attribution_adds_up_to_the_map(fit, by):
    images = next(samples()())[0]
    parts = attribute(fit.model, images, by)
    assert_close(sum(parts.values()), fit.model(images)[:, 0], rtol=1e-4, atol=1e-5)
    assert len(parts) > 3


def test_the_parts_of_the_variation_add_up_to_one(fit):
    images = next(samples()())[0]
    table = attribution_table(attribute(fit.model, images), list("abcd"))
    assert table.groupby("image")["variation"].sum().to_numpy() == pytest.approx(1, abs=1e-5)
    assert table[table["part"] == "constant"]["variation"].abs().max() < 1e-9
    means = fit.model(images).mean((1, 2, 3)).detach().numpy()
    assert table.groupby("image")["mean"].sum().to_numpy() == pytest.approx(means, abs=1e-5)


def test_an_attribution_follows_blurs_down_to_the_image():
    """A last stage that blurs a stage that blurs luminance: all of the map is luminance, none of it the stage."""
    low, none = 3, -1  # positions in the bank, sigma 1 px even; unused

    def terms(*rows):
        source, place, which, weight = (torch.tensor([[row[i] for row in rows]]) for i in range(4))
        one = torch.ones(1)
        return StageTerms(source, place, which, weight.float(), 0.5 * one, torch.ones(1, len(rows)), one, -9 * one)

    bank = FilterBank((4.0,), 3, (0.6,), (0.6,), low_pass=(1.0,))
    first = Stage("first", (8, 8), ("input",), (0,), terms((0, 0, low, 2.0), (none, 0, none, 0.0)), bank)
    last = Stage("last", (8, 8), ("first",), (0,), terms((0, 0, low, 3.0), (0, 0, 0, 1.0)), bank)
    images = torch.rand(2, 3, 8, 8)
    parts = attribute(Standalone(bank, "luminance", (8, 8), [first, last]), images)
    blur = gaussian_bank((8, 8), [1.0])
    twice = filter_responses(filter_responses(input_maps(images), blur)[:, 0].real, blur).real
    assert_close(parts["input/luminance"], 3 * 2 * twice[:, 0, 0], rtol=1e-4, atol=1e-4)
    assert_close(parts["constant"], torch.full((2, 8, 8), 0.5 + 3 * 0.5))
    assert Standalone(bank, "luminance", (8, 8), [first, last]).seen(images)[1].shape == (2, 0, 8, 8)
    assert set(parts) == {"input/luminance", "first", "constant", "clamping"}  # first: its energy
    with pytest.raises(ValueError, match="by must be one of"):
        attribute(Standalone(bank, "luminance", (8, 8), [first, last]), images, "colour")


def test_flows_end_at_the_image_and_the_position(fit):
    table = term_table(fit.model)
    ends = table[table["source"].str.startswith(("input/", "center/"))]
    assert ends["flow"].sum() == pytest.approx(1)
    assert table[table["layer"] == table["layer"].max()]["flow"].sum() == pytest.approx(1)
    assert table.groupby(["layer", "map"])["share"].sum().to_numpy() == pytest.approx(1)


def test_an_image_does_not_depend_on_the_others_of_its_batch(fit):
    images = next(samples()())[0]
    alone = torch.cat([fit.model(one[None]) for one in images])
    assert_close(fit.model(images), alone)


@torch.no_grad()
def test_a_stage_is_fitted_to_what_the_finished_model_gives(fit):
    """The fit looks maps up where the model computes them: both have to be the same."""
    images = next(samples()())[0]
    for name in ("relu", "second"):
        expected = BANK.candidates(fit.model.maps(images)[name]).flatten(1, 2)
        assert_close(fit.inputs.candidates((name,), SIZE, images, 0), expected, rtol=1e-4, atol=1e-5)


def test_what_is_kept_on_disk_changes_nothing(fit, tmp_path):
    torch.manual_seed(0)
    stored = fitted(store=tmp_path)
    for one, other in zip(fit.model.parameters(), stored.model.parameters(), strict=True):
        assert_close(one, other, rtol=1e-5, atol=1e-6)


def test_an_interrupted_fit_goes_on_to_the_same_model(fit, tmp_path):
    torch.manual_seed(0)
    half = fitted(stages=2)
    save_standalone(half.model, tmp_path / "half.safetensors", {"explained": half.explained})
    torch.manual_seed(0)
    rest = Distillation(Plain(), samples(), 6, OPTIONS)
    assert rest.fingerprint() == half.fingerprint()
    model, note = load_standalone(tmp_path / "half.safetensors")
    rest.resume(model, note["explained"])
    assert [layer.name for layer in rest.todo] == ["second", "relu:2", "last"]
    while rest.todo:
        rest.step()
    for name, value in fit.model.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name


def test_another_network_or_option_has_another_fingerprint(fit):
    options = DistillOptions(bank=BANK, layers="leaf", terms=4, pool_size=2)
    assert len({fit.fingerprint(), fitted(options=options, stages=0).fingerprint(),
                fitted(Plain(5), stages=0).fingerprint()}) == 3  # fmt: skip


def test_more_coefficients_than_images_are_refused_with_the_number():
    with pytest.raises(UserError, match="20 coefficients per map need at least 20 training images.*there are 6"):
        Distillation(Plain(), samples(), 6, DistillOptions(bank=BANK))


def test_dead_maps_are_never_kept_and_a_dead_layer_has_no_stage():
    net = Plain()
    with torch.no_grad():
        net.first.weight[1].zero_()  # one dead map
        net.second.weight.zero_()
        net.second.bias.fill_(-1.0)  # a dead layer
        net.last.weight.fill_(1.0)
    with pytest.raises(UserError, match=r"last map \(last\) is constant over all training images"):
        fitted(net)
    with torch.no_grad():
        net.second.bias.fill_(1.0)
        net.second.weight[0].normal_()
    done = fitted(net)
    assert 1 not in done.model.stages[0].channels
    assert done.model.stages[2].channels == (0,)
    assert math.isnan(done.explained["second"][1])


def test_activations_that_are_not_finite_are_an_error():
    net = Plain()
    with torch.no_grad():
        net.second.bias.fill_(torch.inf)
    with pytest.raises(UserError, match="layer second gives values that are not finite"):
        fitted(net)


def test_images_of_other_sizes_need_a_network_that_resizes():
    images = [torch.rand(1, 3, 16, 24), torch.rand(1, 3, 16, 32)]
    fit = Distillation(Plain(), lambda: iter([(image, None) for image in images]), 4, OPTIONS)
    with pytest.raises(UserError, match="one size"):
        fit.step()


@pytest.mark.parametrize(("output", "scale"), [("log_density", SIZE[0] * SIZE[1]), ("map", 1)])
def test_the_last_stage_imitates_what_the_network_makes_of_its_last_map(output, scale):
    class Softmax(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.net, self.output = Plain(), output

        def preprocess(self, images):
            return images

        def finish(self, maps):
            return torch.softmax(5 * maps.flatten(1), dim=1).reshape(maps.shape)

        def forward(self, images):
            return self.net(self.preprocess(images))

    model = Softmax()
    done = fitted(model)
    images = next(samples()())[0]
    density = np.exp(5 * model.net(images).detach().numpy().astype(np.float64))
    density *= scale / density.sum((1, 2, 3), keepdims=True)
    np.testing.assert_allclose(done.deep_maps(samples()).numpy()[:4], density, rtol=1e-4)
    assert done.model.stages[-1].scale.item() == pytest.approx(done.deep_maps(samples()).std(correction=0).item())
    mine = done.model(images).detach().numpy()
    assert np.corrcoef(mine.ravel(), density.ravel())[0, 1] > 0.2  # 4 coefficients per map
    assert mine.min() >= 0
    quality = stage_quality(done, samples()(), [f"image{i}" for i in range(6)])
    expected = np.mean([np.corrcoef(m.ravel(), d.ravel())[0, 1] for m, d in zip(mine, density, strict=True)])
    assert quality[quality["layer"] == 4]["correlation"][: 4 * 5].iloc[:4].mean() == pytest.approx(expected, abs=1e-5)


def test_the_last_stage_can_be_fitted_to_fixations_with_or_without_a_network():
    truth = DistillOptions(bank=BANK, layers="leaf", terms=4, pool_size=3, target="fixations")
    for net in (Plain(), None):
        done = Distillation(net, samples(), 6, truth, input_size=SIZE)
        while done.todo:
            done.step()
        assert len(done.model.stages) == (1 if net is None else 5)
        for images, density in samples()():
            wanted = density / density.mean((1, 2), keepdim=True)
            stacked = torch.stack([done.model(images)[:, 0].flatten(), wanted.flatten()])
            assert torch.corrcoef(stacked)[0, 1] > 0.8
    with pytest.raises(UserError, match="fixation densities"):
        Distillation(None, lambda: iter([(torch.rand(4, 3, *SIZE), None)]), 4, truth, input_size=SIZE).step()


def test_refinement_lowers_the_loss_repeatably_with_or_without_a_store(tmp_path):
    fit = fitted()
    images = torch.cat([i for i, _ in samples()()])
    density = torch.cat([d for _, d in samples()()])
    save_standalone(fit.model, tmp_path / "start.safetensors")
    options, models, losses = RefineOptions(epochs=3, deep=0.0, fixations=1.0, rate=0.01, batch_size=3), [], []
    for store in (None, None, tmp_path / "seen"):
        model, _ = load_standalone(tmp_path / "start.safetensors")
        refine(model, images, None, density, options, lambda _, loss: losses.append(loss), store=store)
        models.append(model)
    assert losses[2] < losses[0]
    assert torch.equal(models[0](images), models[1](images))
    assert_close(models[0](images), models[2](images), rtol=1e-3, atol=1e-4)
    changed = (models[0].stages[0].weight - fit.model.stages[0].weight).abs()
    assert changed.max() > 0  # the first stage moves with the last
    assert torch.equal(changed > 0, (changed > 0) & (models[0].stages[0].source >= 0))  # unused terms stay unused


def test_refinement_keeps_weights_of_a_nonnegative_fit_at_zero_or_above(tmp_path):
    fit = fitted(options=replace(OPTIONS, nonnegative=True))
    assert min(stage.weight.min() for stage in fit.model.stages) >= 0
    images, deep = (torch.cat([pair[i] for pair in samples()()]) for i in range(2))
    save_standalone(fit.model, tmp_path / "start.safetensors")
    lowest = {}
    for nonnegative in (True, False):
        model, _ = load_standalone(tmp_path / "start.safetensors")
        options = RefineOptions(epochs=3, rate=0.2, batch_size=3, nonnegative=nonnegative)
        refine(model, images, 1 - deep[:, None], None, options)  # the opposite of what was fitted
        lowest[nonnegative] = min(stage.weight.min().item() for stage in model.stages)
        assert any(not torch.equal(a.weight, b.weight) for a, b in zip(model.stages, fit.model.stages, strict=True))
    assert lowest[True] == 0 > lowest[False]  # a weight was stopped at 0


def test_decentred_targets_lose_the_mean_map_that_all_images_share():
    generator = np.random.default_rng(0)
    bias = np.exp(-(np.linspace(-2, 2, 9) ** 2))[None, :] * np.ones((4, 1))
    maps = generator.uniform(0.5, 1.5, (200, 4, 9)) * bias
    level = center_level(torch.from_numpy(maps), 1.0)
    assert level.shape == (1, 4, 9)
    assert_close(level, level.flip(-1))
    left = maps.mean(0) / level[0].numpy()
    assert left.std() / left.mean() < 0.05 < maps.mean(0).std() / maps.mean(0).mean()
    assert_close(center_level(torch.from_numpy(maps)[:, None], 0.5), level.sqrt())
    assert torch.equal(center_level(torch.from_numpy(maps), 0.0), torch.ones(1, 4, 9))
    assert center_level(torch.zeros(2, 1, 3, 3), 1.0).min() > 0  # nothing is divided by 0


def test_refinement_against_decentred_maps_is_that_against_divided_ones(tmp_path):
    images, density = (torch.cat([pair[i] for pair in samples()()]) for i in range(2))
    save_standalone(fitted().model, tmp_path / "start.safetensors")
    level, models = center_level(density, 0.7), []
    for deep, decenter in ((density, 0.7), (density / level, 0.0)):
        model, _ = load_standalone(tmp_path / "start.safetensors")
        models.append(refine(model, images, deep[:, None], None, RefineOptions(epochs=2, decenter=decenter)))
    assert_close(models[0](images), models[1](images), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"epochs": -1}, {"rate": 0.0}, {"deep": 0.0, "fixations": 0.0}, {"deep": -1.0},
                                   {"decenter": 1.5}])  # fmt: skip
def test_impossible_refinements_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        RefineOptions(**wrong)


@pytest.mark.parametrize("wrong", [{"terms": 0}, {"pool_size": 0}, {"target": "both"}, {"input_maps": "rgb"}])
def test_impossible_fits_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        DistillOptions(**wrong)


@torch.no_grad()
def test_quality_is_measured_against_the_layers(fit):
    quality = stage_quality(fit, samples()(), [f"image{i}" for i in range(6)])
    assert len(quality) == 6 * 5
    images = next(samples()())[0][:1]
    deep = fit.net.first(images)[0, list(fit.model.stages[0].channels)].flatten(1).numpy()
    mine = fit.model.maps(images)["first"][0].flatten(1).numpy()
    expected = np.mean([np.corrcoef(d, m)[0, 1] for d, m in zip(deep, mine, strict=True)])
    first = quality[(quality["image"] == "image0") & (quality["layer"] == 0)].iloc[0]
    assert first["correlation"] == pytest.approx(expected, abs=1e-5)


def test_a_file_gives_the_same_model_without_any_network(fit, tmp_path):
    path = save_standalone(fit.model, tmp_path / "standalone.safetensors", {"finished": True, "seed": 3})
    model, note = load_standalone(path)
    images = next(samples()())[0]
    assert torch.equal(model(images), fit.model(images))
    assert note["seed"] == 3
    assert path.stat().st_mode & 0o044 == 0o044 & ~_umask()
    saliency = load_model("standalone", weights=path)
    assert saliency.name == "standalone"
    maps = saliency(torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8))
    assert maps.shape == (2, 1, 40, 50)
    assert maps.min() >= 0
    pd.testing.assert_frame_equal(term_table(model), term_table(fit.model))


def _umask():
    import os

    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_files_that_cannot_be_used_say_why(fit, tmp_path):
    path = save_standalone(fit.model, tmp_path / "a.safetensors", {"finished": False})
    with pytest.raises(MissingFilesError, match=r"explainsal.distill"):
        load_standalone(tmp_path / "nowhere.safetensors")
    with pytest.raises(MissingFilesError, match="give weights="):
        load_model("standalone")
    with pytest.raises(UserError, match="interrupted fit: it has 5 stages"):
        load_model("standalone", weights=path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        graph = json.loads(file.metadata()["explainsal.standalone"])
    save_file(tensors, tmp_path / "b.safetensors")
    with pytest.raises(CorruptFileError, match="no standalone model"):
        load_standalone(tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_standalone(tmp_path / "c.safetensors")
    for change, error, message in (
        ({"version": 99}, UserError, "format 99.*reads format 1"),
        ({"stages": graph["stages"][1:]}, CorruptFileError, "whole model"),
        ({"bank": {**graph["bank"], "low_pass": [1.0]}}, CorruptFileError, "source or a filter that is not there"),
    ):
        save_file(tensors, tmp_path / "d.safetensors", {"explainsal.standalone": json.dumps({**graph, **change})})
        with pytest.raises(error, match=message):
            load_standalone(tmp_path / "d.safetensors")
    tensors["0.weight"][0, 0] = torch.nan
    save_file(tensors, tmp_path / "e.safetensors", {"explainsal.standalone": json.dumps(graph)})
    with pytest.raises(CorruptFileError, match="not finite"):
        load_standalone(tmp_path / "e.safetensors")


def test_maps_of_the_position_are_symmetric():
    maps = center_maps((6, 8))
    assert_close(maps[[0, 1, 2, 4, 5]], maps[[0, 1, 2, 4, 5]].flip(-1).flip(-2))
    assert_close(maps[3], -maps[3].flip(-2))
    assert maps[0].argmax().item() in {2 * 8 + 3, 2 * 8 + 4, 3 * 8 + 3, 3 * 8 + 4}


def test_the_published_file_still_reads_though_its_bank_has_an_older_word():
    path = Path(__file__).parents[2] / "experiments/standalone/models/standalone.safetensors"
    with safe_open(path, "pt") as file:
        assert '"orientations"' in file.metadata()["explainsal.standalone"]
    assert load_standalone(path)[0].bank.n_orientations == 5
