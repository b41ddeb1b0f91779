"""Gradient descent on the coefficients of a fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.distillation.small import OPTIONS, fitted, samples
from torch.testing import assert_close

from explainsal.distillation import (
    RefineOptions,
    load_standalone,
    refine,
    save_standalone,
)
from explainsal.distillation.refinement import center_level


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
    assert changed.max() > 0  # the first stage changes together with the last
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
        refine(model, images, 1 - deep[:, None], None, options)  # the opposite of the fit's target
        lowest[nonnegative] = min(stage.weight.min().item() for stage in model.stages)
        assert any(not torch.equal(a.weight, b.weight) for a, b in zip(model.stages, fit.model.stages, strict=True))
    assert lowest[True] == 0 > lowest[False]  # a weight was clamped at 0


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
    assert center_level(torch.zeros(2, 1, 3, 3), 1.0).min() > 0  # no division by 0


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
