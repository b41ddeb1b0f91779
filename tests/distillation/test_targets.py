"""Targets of a fit, and rejected inputs."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.distillation.small import BANK, OPTIONS, SIZE, fitted, samples
from tests.explanation.nets import Plain
from torch import nn

from explainsal.distillation import (
    Distillation,
    DistillOptions,
)
from explainsal.distillation.quality import stage_quality
from explainsal.errors import UserError


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
    with pytest.raises(UserError, match="a common size"):
        fit.step()


@pytest.mark.parametrize(
    "wrong",
    [
        {"terms": 0},
        {"pool_size": 0},
        {"target": "both"},
        {"input_maps": "rgb"},
    ],
)
def test_impossible_fits_are_refused(wrong):
    with pytest.raises(ValueError, match="must"):
        DistillOptions(**wrong)
