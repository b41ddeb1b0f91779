"""Refinement of a fitted standalone model, with the best epoch on the validation images."""

from __future__ import annotations

import pytest
from rich.progress import Progress
from tests.distillation.small import SIZE, fitted, samples

from explainsal.distillation import RefineOptions
from explainsal.distillation.quality import mean_cc
from explainsal.distillation.samples import StoredSamples
from explainsal.workflows.refining import Lessons, make_lessons, refine_best


@pytest.fixture
def fit():
    return fitted()


@pytest.fixture
def lessons(fit, tmp_path):
    stored = StoredSamples(tmp_path / "images", 6, SIZE).fill(samples()(), lambda images: None)
    return make_lessons(fit, stored, tmp_path / "lessons")


def test_a_refined_model_is_closer_to_the_network_with_the_same_terms(fit, lessons, tmp_path):
    model = fit.model
    before, start = [stage.table for stage in model.stages], mean_cc(model, lessons.samples, lessons.deep)
    with Progress() as progress:
        refine_best(model, lessons, lessons, RefineOptions(epochs=4), tmp_path, progress)
    assert mean_cc(model, lessons.samples, lessons.deep) > start + 1e-3
    assert [stage.table for stage in model.stages] == before


def test_the_fit_stays_if_every_epoch_makes_the_validation_images_worse(fit, lessons, tmp_path):
    opposite = Lessons(lessons.samples, 1 - lessons.deep)
    start = mean_cc(fit.model, lessons.samples, lessons.deep)
    with Progress() as progress:
        refine_best(fit.model, opposite, lessons, RefineOptions(epochs=2, rate=0.5), tmp_path, progress)
    assert mean_cc(fit.model, lessons.samples, lessons.deep) == start
