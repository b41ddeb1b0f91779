"""Responses of selected pairs of map and filter, and the maps of the position."""

from __future__ import annotations

import pytest
import torch
from tests.distillation.small import BANK
from torch.testing import assert_close

from explainsal.distillation.responses import center_maps, pair_responses
from explainsal.explanation import FilterBank
from explainsal.explanation.responses import bank_responses


@pytest.mark.parametrize("border", ["circular", "reflect"])
@pytest.mark.parametrize("parts", [("energy",), ("even", "odd", "energy")])
def test_a_pair_is_what_the_bank_makes_of_that_map(border, parts):
    bank = FilterBank(
        wavelengths=(3.0, 30.0), n_orientations=2, sigma_on_f=(0.6, 0.7), sigma_theta=(0.6, 0.5), parts=parts,
        low_pass=(1.0, 2.0), low_pass_parts=("even", "half_squared", "half_wave"), up_to_map_size=True, border=border,
    )  # fmt: skip
    maps = torch.rand(2, 3, 9, 14, dtype=torch.float64)
    every, served = bank_responses(bank, maps), bank.available((9, 14))
    assert len(served) < len(bank)  # the long wavelength does not fit, so positions and rows differ
    order = torch.randperm(3 * len(served), generator=torch.Generator().manual_seed(0))
    place, column = order // len(served), order % len(served)
    pairs = list(zip(place.tolist(), served[column].tolist(), strict=True))
    assert_close(pair_responses(maps, bank, pairs), every[:, place, column], rtol=1e-9, atol=1e-12)


def test_a_filter_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="8 px does not serve maps of 4 x 6"):
        pair_responses(torch.rand(1, 1, 4, 6), BANK, [(0, 1)])


def test_maps_of_the_position_are_symmetric():
    maps = center_maps((6, 8))
    assert_close(maps[[0, 1, 2, 4, 5]], maps[[0, 1, 2, 4, 5]].flip(-1).flip(-2))
    assert_close(maps[3], -maps[3].flip(-2))
    assert maps[0].argmax().item() in {2 * 8 + 3, 2 * 8 + 4, 3 * 8 + 3, 3 * 8 + 4}
