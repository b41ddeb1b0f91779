"""The losses against their equations written out in NumPy, and truths that need no oracle."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from explainsal.functional.losses import kl_div, kl_div_cc, kl_div_nss_cc, normalized_l1


@pytest.fixture
def maps():
    return torch.rand(3, 1, 9, 13, dtype=torch.float64), torch.rand(3, 1, 9, 13, dtype=torch.float64)


def test_normalized_l1_is_equation_11_with_12(maps):
    p, g = (m.squeeze(1).numpy() for m in maps)
    expected = np.mean([np.abs(a / a.sum() - b / b.sum()).sum() for a, b in zip(p, g, strict=True)])
    assert_close(normalized_l1(*maps).item(), expected, rtol=1e-6, atol=0)  # the guard against empty maps


def test_kl_div_cc_is_its_two_terms(maps):
    p, g = (m.reshape(3, -1).numpy() for m in maps)
    expected = []
    for a, b in zip(p, g, strict=True):
        a, b = a / a.sum(), b / b.sum()
        expected.append((b * np.log(1e-7 + b / a)).sum() + 0.5 * (1 - np.corrcoef(a, b)[0, 1]))
    assert_close(kl_div_cc(*maps).item(), np.mean(expected), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("loss", [normalized_l1, kl_div_cc])
def test_proportional_maps_cost_nothing_and_scale_does_not_matter(loss, maps):
    preds, target = maps
    assert loss(7 * target, target).item() == pytest.approx(0, abs=1e-6)
    assert_close(loss(255 * preds, target), loss(preds, target), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("loss", [normalized_l1, kl_div_cc])
def test_an_empty_or_saturated_map_gives_finite_gradients(loss):
    for preds in (torch.zeros(1, 1, 4, 4), torch.ones(1, 1, 4, 4)):
        preds.requires_grad_()
        value = loss(preds, torch.rand(1, 1, 4, 4))
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(preds.grad).all()


@pytest.mark.parametrize("loss", [normalized_l1, kl_div, kl_div_cc, kl_div_nss_cc])
def test_an_image_without_ground_truth_teaches_nothing(loss, maps):
    preds, target = maps[0].log_softmax(dim=-1), maps[1].clone()
    fixated = (torch.rand(preds.shape) < 0.3,) if loss is kl_div_nss_cc else ()
    expected = loss(preds[:2], target[:2], *(f[:2] for f in fixated))
    target[2] = 0
    preds = preds.clone().requires_grad_()
    value = loss(preds, target, *fixated)
    value.backward()
    assert_close(value, expected)
    assert torch.isfinite(preds.grad).all()
    assert not preds.grad[2].any()
    assert loss(preds[2:], target[2:], *(f[2:] for f in fixated)).item() == 0


def test_kl_div_nss_cc_is_its_three_terms(maps):
    p, g = (m.squeeze(1).numpy() for m in maps)
    fixated = np.random.default_rng(1).random((3, 9, 13)) < 0.1
    fixated[2] = False  # an image that no one looked at has the NSS 1
    expected = []
    for a, b, f in zip(p, g, fixated, strict=True):
        a, b = a / a.sum(), b / b.sum()
        nss = ((a - a.mean()) / a.std(ddof=1))[f].mean() if f.any() else 1
        cc = np.corrcoef(a.ravel(), b.ravel())[0, 1]
        expected.append((b * np.log(b / a)).sum() - 0.3 * nss - 0.7 * cc)
    log_density = (maps[0] / maps[0].sum((-2, -1), keepdim=True)).log()
    actual = kl_div_nss_cc(log_density, 7 * maps[1], torch.from_numpy(fixated)[:, None], nss_weight=0.3, cc_weight=0.7)
    assert_close(actual.item(), np.mean(expected), rtol=1e-12, atol=1e-12)


def test_kl_div_nss_cc_has_the_gradient_of_its_differences():
    target, fixated = torch.rand(2, 1, 3, 4).double(), torch.rand(2, 1, 3, 4) > 0.6
    fixated[1] = False
    target[0, 0, 0, 0] = 0  # 0 log 0 is 0
    scores = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)

    def loss(scores):
        return kl_div_nss_cc(scores.flatten(1).log_softmax(1).reshape(scores.shape), target, fixated)

    assert torch.autograd.gradcheck(loss, scores)
