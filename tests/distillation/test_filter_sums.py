"""Weighted sums of responses equal those of the filters one by one, and so do their gradients."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from explainsal.distillation.filter_sums import FilterSums
from explainsal.distillation.graph import BANK
from explainsal.distillation.responses import pair_responses

LARGE, SMALL = (24, 32), (12, 16)  # filtered by an FFT in float32, and by matrices in bfloat16


def plain_sums(filters, maps, weight):
    pairs = [(place, which) for place in range(maps.shape[1]) for which in filters.ids]
    return torch.einsum("pn,bnhw->bphw", weight.flatten(1), pair_responses(maps, BANK, pairs))


def example(size):
    torch.manual_seed(0)
    filters = FilterSums(BANK, size, longest=12.0)
    maps = torch.randn(5, 3, *size).relu().requires_grad_()
    weight = torch.randn(4, 3, len(filters)).requires_grad_()
    return filters, maps, weight


@pytest.mark.parametrize(("size", "tolerance"), [(LARGE, 1e-5), (SMALL, 1e-2)])
def test_sums_and_gradients_equal_those_of_single_filters(size, tolerance):
    filters, maps, weight = example(size)
    found, wanted = filters(maps, weight), plain_sums(filters, maps, weight)
    assert (found - wanted).abs().max() < 3 * tolerance * wanted.abs().max()
    slope = torch.randn_like(wanted)
    for one, other in zip(
        torch.autograd.grad((found * slope).sum(), (maps, weight)),
        torch.autograd.grad((wanted * slope).sum(), (maps, weight)),
        strict=True,
    ):
        assert (one - other).norm() < tolerance * other.norm()


def test_energies_may_be_left_out():
    filters, maps, weight = example(LARGE)
    blurs = weight.detach().clone()
    blurs[..., : 3 * filters.gabors] = 0
    assert torch.allclose(filters(maps, blurs, energies=False), plain_sums(filters, maps, blurs), atol=1e-5)


def test_wavelengths_above_the_longest_are_not_used():
    used = {BANK.filters[which].wavelength for which in FilterSums(BANK, LARGE, longest=6.0).ids[:-5]}
    assert used == {3.0, 6.0}


def test_spreads_are_standard_deviations_within_a_map():
    filters, maps, _ = example(LARGE)
    pairs = [(0, which) for which in filters.ids]
    wanted = pair_responses(maps[:, :1].detach(), BANK, pairs).var((-2, -1)).mean(0).sqrt()
    assert torch.allclose(filters.spreads(maps[:, :1].detach()), wanted, rtol=1e-4)


def test_another_bank_is_refused():
    with pytest.raises(ValueError, match="parts"):
        FilterSums(replace(BANK, parts=("energy",)), SMALL, longest=12.0)
