"""A fit, layer by layer: its results, inputs, and resumption."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.distillation.small import BANK, OPTIONS, SIZE, fitted, samples
from tests.explanation.nets import Plain
from torch import nn
from torch.testing import assert_close

from explainsal.distillation import (
    Distillation,
    DistillOptions,
    load_standalone,
    save_standalone,
    term_table,
)
from explainsal.distillation.quality import stage_quality
from explainsal.distillation.samples import StoredSamples
from explainsal.explanation.responses import bank_responses
from explainsal.functional.images import resize


def test_a_blur_of_the_image_is_distilled_exactly():
    """A network that equals one filter of the bank; the fit must find exactly this filter."""

    class Blur(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.tensor(3.0))

        def forward(self, images):
            gray = images.mul(torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(1, keepdim=True)
            return self.scale * bank_responses(BANK, gray)[:, 0, -3:-2] + 1  # sigma 2 px, even

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
    seen = fit.model.image_responses(images)
    maps = fit.model.stage_maps(seen)
    for stage, one in zip(fit.model.stages, seen, strict=True):
        for number in range(len(stage.channels)):
            total = stage.contributions(maps, one, number).sum(1) + stage.constant[number]
            assert_close(maps[stage.name][:, number], total.clamp_min(stage.lowest[number]))
    assert all(stage.lowest.min() == 0 for stage in fit.model.stages if stage.name.startswith("relu"))


def test_an_image_does_not_depend_on_the_others_of_its_batch(fit):
    images = next(samples()())[0]
    alone = torch.cat([fit.model(one[None]) for one in images])
    assert_close(fit.model(images), alone)


@torch.no_grad()
def test_a_stage_is_fitted_to_what_the_finished_model_gives(fit):
    """The maps that the fit looks up equal those that the model computes."""
    images = next(samples()())[0]
    for name in ("relu", "second"):
        expected = bank_responses(BANK, fit.model.maps(images)[name]).flatten(1, 2)
        assert_close(fit.inputs.candidates((name,), SIZE, images, 0), expected, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_graph_may_see_smaller_images_than_its_network(tmp_path):
    """No stage is larger than the graph's images; it reproduces the network's maps at its own size."""
    net, small = Plain(), (8, 12)
    fit = Distillation(net, samples(), 6, OPTIONS, small, store=tmp_path)
    while fit.todo:
        fit.step()
    assert {stage.size for stage in fit.model.stages} == {small}
    images = next(samples()())[0]
    wanted = resize(net(images), small)
    assert_close(fit.deep_maps(samples())[:4], wanted)
    assert_close(fit.inputs.target(fit.layers[-1], images, None, 0), wanted)
    assert fit.model(resize(images, small)).shape == wanted.shape
    quality = stage_quality(fit, samples()(), [f"image{i}" for i in range(6)])
    assert set(zip(quality["height"], quality["width"], strict=True)) == {small}


def test_samples_are_shrunk_once(tmp_path):
    stored = StoredSamples(tmp_path / "one", 6, SIZE).fill(samples()(), lambda images: None)
    small = stored.shrunk((8, 12), tmp_path / "two")
    assert_close(small.images, resize(stored.images, (8, 12)))
    assert_close(small.density, resize(stored.density[:, None], (8, 12))[:, 0])
    assert stored.shrunk(SIZE, tmp_path / "three") is stored


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
