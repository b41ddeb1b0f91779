"""Transfer functions against the equation point by point, and what a bank must do whatever its numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference.explanation import gaussian_loop, log_gabor_loop
from torch.testing import assert_close

from explainsal.explanation import BANKS, FilterBank
from explainsal.explanation.responses import bank_responses
from explainsal.explanation.transfer import _Remembered, filter_groups, transfer_functions
from explainsal.functional import responses
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.log_gabor import filter_responses, gaussian_bank, local_energy, log_gabor_bank
from explainsal.functional.responses import inverse

WIDTHS = [0.5 * 1.5**j for j in range(4)]
PAPER_BANK = {
    "wavelengths": [1.5**i for i in range(4)],
    "orientations": [i * math.pi / 5 for i in range(5)],
    "sigma_on_f": WIDTHS,
    "sigma_theta": WIDTHS,
}
SIZES = st.tuples(st.integers(2, 13), st.integers(2, 13))


@pytest.mark.parametrize("size", [(8, 8), (7, 12), (1, 5)])  # odd and unequal sides catch swapped axes
def test_matches_the_equation_evaluated_point_by_point(size):
    actual = log_gabor_bank(size, **PAPER_BANK, dtype=torch.float64)
    assert actual.shape == (80, *size)
    assert_close(actual, torch.from_numpy(log_gabor_loop(size, **PAPER_BANK)), rtol=1e-12, atol=1e-15)


def test_absolute_widths_are_a_ratio_times_the_wavelength():
    actual = log_gabor_bank((7, 12), **PAPER_BANK, sigma_unit="absolute", dtype=torch.float64)
    expected = torch.from_numpy(log_gabor_loop((7, 12), **PAPER_BANK, absolute=True))
    assert_close(actual, expected, rtol=1e-12, atol=1e-15)


def test_low_pass_members_match_the_equation():
    actual = gaussian_bank((7, 12), [1, 2.5], dtype=torch.float64)
    assert_close(actual, torch.from_numpy(gaussian_loop((7, 12), [1, 2.5])), rtol=1e-12, atol=1e-15)


@given(SIZES, st.floats(0.2, 0.9), st.floats(0.1, 2.0), st.floats(1.0, 20.0))
@settings(deadline=None, max_examples=40)
def test_values_lie_in_0_to_1_without_a_mean(size, ratio, spread, wavelength):
    bank = log_gabor_bank(size, [wavelength], [0.0, 1.0], [ratio], [spread], dtype=torch.float64)
    assert bank.min() >= 0
    assert bank.max() <= 1
    assert (bank[:, 0, 0] == 0).all()


@given(SIZES, st.integers(0, 2**31))
@settings(deadline=None, max_examples=25)
def test_responses_keep_the_energy_that_the_filter_lets_through(size, seed):
    """Parseval: the sum of squared responses over pixels is that of the weighted spectrum, divided by the pixels."""
    maps = torch.randn(2, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    bank = log_gabor_bank(size, [3.0, 6.0], [0.0, 0.8], [0.55], [0.6], dtype=torch.float64)
    responses = filter_responses(maps, bank)
    weighted = torch.fft.fft2(maps)[:, None] * bank
    expected = weighted.abs().square().sum((-2, -1)) / (size[0] * size[1])
    assert_close(responses.abs().square().sum((-2, -1)), expected, rtol=1e-10, atol=1e-12)


def test_energy_is_even_and_odd_part_together():
    maps, bank = torch.rand(3, 2, 9, 10), log_gabor_bank((9, 10), [3.0], [0.0, 0.7], [0.55], [0.6])
    responses = filter_responses(maps, bank)
    assert responses.shape == (3, 2, 2, 9, 10)
    assert_close(local_energy(maps, bank), (responses.real**2 + responses.imag**2).sqrt())


def test_energy_of_very_faint_and_very_strong_maps_is_the_energy_scaled():
    maps, bank = torch.rand(2, 9, 10), log_gabor_bank((9, 10), [3.0], [0.0, 0.7], [0.55], [0.6])
    faint = local_energy(torch.stack([maps[0] * 1e-30, maps[1] * 1e30]), bank)
    assert_close(faint[0] * 1e30, local_energy(maps, bank)[0])
    assert_close(faint[1] * 1e-30, local_energy(maps, bank)[1])
    assert (local_energy(torch.zeros(9, 10), bank) == 0).all()


def test_orientations_over_the_whole_circle_hold_every_energy_twice():
    bank = FilterBank(**{**_settings(BANKS["kovesi"]), "n_orientations": 12, "orientation_range": 2 * math.pi})
    maps = torch.rand(2, 15, 21, dtype=torch.float64)
    first, second = bank_responses(bank, maps).chunk(2, dim=1)
    assert_close(first, second, rtol=1e-9, atol=1e-9)
    assert_close(first, bank_responses(BANKS["kovesi"], maps), rtol=1e-9, atol=1e-9)


def test_energy_in_chunks_equals_energy_at_once(monkeypatch):
    maps, bank = torch.rand(3, 2, 9, 10), log_gabor_bank((9, 10), [3.0, 4.0], [0.0, 0.7, 1.0], [0.55], [0.6])
    whole, made = local_energy(maps, bank), []
    monkeypatch.setattr("explainsal.functional.responses._CPU_CHUNK", 12 * 90)
    monkeypatch.setattr(responses, "inverse", lambda *args: made.append(inverse(*args)) or made[-1])
    with plain_only():
        assert_close(local_energy(maps, bank), whole)
    assert [one.shape[-3] for one in made] == [2, 2, 2]


def test_a_wave_along_x_answers_the_filter_along_x():
    """Orientation 0 is along +x, and pi/2 along +y, down the rows."""
    x = torch.arange(64).float()
    wave = torch.sin(2 * math.pi * x / 8).expand(64, 64)
    bank = log_gabor_bank((64, 64), [8.0], [0.0, math.pi / 2], [0.55], [0.5])
    across, down = local_energy(wave, bank).mean((-2, -1))
    assert across > 100 * down
    across, down = local_energy(wave.T.contiguous(), bank).mean((-2, -1))
    assert down > 100 * across


def test_reflected_borders_see_no_edge_in_a_ramp_that_ends():
    """A periodic continuation puts a step at the border of a ramp, a mirrored one a mere kink."""
    ramp = torch.arange(32.0).expand(32, 32)
    bank = BANKS["kovesi"]
    circular = bank_responses(bank, ramp)[0, :, 0].mean()
    reflected = bank_responses(FilterBank(**{**_settings(bank), "border": "reflect"}), ramp)[0, :, 0].mean()
    assert reflected < 0.2 * circular


def test_reflection_is_filtering_of_the_mirrored_map():
    maps = torch.rand(5, 6, dtype=torch.float64)
    bank = log_gabor_bank((10, 12), [3.0], [0.3], [0.55], [0.6], dtype=torch.float64)
    mirrored = np.pad(maps.numpy(), ((0, 5), (0, 6)), mode="symmetric")
    expected = np.fft.ifft2(np.fft.fft2(mirrored) * bank[0].numpy())[:5, :6]
    assert_close(filter_responses(maps, bank, border="reflect")[0], torch.from_numpy(expected))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wavelengths": [0.0]}, "wavelengths"),
        ({"sigma_theta": [-1.0] * 4}, "sigma_theta"),
        ({"sigma_on_f": [1.0] * 4}, "log 1 = 0"),
        ({"sigma_on_f": [0.5]}, "paired"),
        ({"size": (0, 4)}, "size"),
    ],
)
def test_impossible_parameters_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        log_gabor_bank(**{"size": (8, 8), **PAPER_BANK, **changes})


def test_a_bank_of_another_size_is_refused():
    with pytest.raises(ValueError, match="sampled at"):
        filter_responses(torch.rand(8, 9), gaussian_bank((8, 8), [1.0]))


@pytest.mark.parametrize("parts", [("energy",), ("even", "energy")])
@pytest.mark.parametrize("name", list(BANKS))
def test_groups_of_a_large_bank_are_the_bank(name, parts, monkeypatch):
    bank = FilterBank(**{**_settings(BANKS[name]), "low_pass": (1.0, 2.0), "parts": parts})
    maps = torch.rand(2, 20, 30)
    whole = bank_responses(bank, maps)
    monkeypatch.setattr("explainsal.explanation.transfer._WHOLE_BYTES", 0)
    groups = filter_groups(bank, (20, 30))
    wavelengths = {bank.filters[i].wavelength for i in bank.available((20, 30))}
    assert len(groups) == bank.n_orientations * (len(wavelengths) - 2) + 2  # two blurs
    assert_close(torch.cat([bank_responses(bank, maps, group) for group in groups], dim=1), whole)
    assert sum(map(len, groups)) == len(bank.available((20, 30)))


def test_an_octave_bank_serves_a_map_with_what_fits_into_it():
    bank = BANKS["octave"]
    assert {bank.filters[i].wavelength for i in bank.available((20, 30))} == {3, 6, 12, 24}
    assert transfer_functions(bank, (20, 30)).shape[0] == len(bank.available((20, 30)))


def test_signed_parts_are_the_real_and_the_imaginary_part_beside_the_energy():
    bank = FilterBank(**{**_settings(BANKS["kovesi"]), "parts": ("energy", "even", "odd"), "low_pass": (2.0,)})
    maps = torch.rand(2, 16, 20)
    seen = bank_responses(bank, maps)
    assert seen.shape[1] == len(bank) == 3 * 24 + 1
    assert [f.part for f in bank.filters[:4]] == ["energy", "even", "odd", "energy"]
    assert_close(seen[:, 0:72:3].square(), seen[:, 1:72:3].square() + seen[:, 2:72:3].square(), rtol=1e-4, atol=1e-6)
    plain = bank_responses(FilterBank(**{**_settings(BANKS["kovesi"]), "low_pass": (2.0,)}), maps)
    assert_close(seen[:, 0:72:3], plain[:, :24], rtol=1e-4, atol=1e-6)
    responses = filter_responses(maps, transfer_functions(bank, (16, 20))[:24])
    assert_close(seen[:, 1:72:3], responses.real)
    assert_close(seen[:, 72], plain[:, 24])


def test_half_wave_and_half_squared_blurs_are_what_lies_above_the_mean():
    bank = FilterBank(
        **{
            **_settings(BANKS["kovesi"]),
            "low_pass": (1.0, 3.0),
            "low_pass_parts": ("even", "half_wave", "half_squared"),
        }
    )
    maps = torch.rand(2, 16, 20)
    seen = bank_responses(bank, maps)[:, 24:]
    assert [f.part for f in bank.filters[24:27]] == ["even", "half_wave", "half_squared"]
    assert seen.shape[1] == 6
    for even, half, squared in (seen[:, :3].unbind(1), seen[:, 3:].unbind(1)):
        above = (even - even.mean((-2, -1), keepdim=True)).relu()
        assert_close(half, above)
        assert_close(squared, above**2)


def test_kovesi_covers_the_passband_evenly():
    """Between its shortest and longest wavelength, away from the ends, total gain varies by less than a fifth."""
    total = transfer_functions(BANKS["kovesi"], (256, 256), dtype=torch.float64).sum(0)
    total = total + total.flip((0, 1)).roll((1, 1), (0, 1))  # the filters are one-sided
    v, u = torch.meshgrid(torch.fft.fftfreq(256), torch.fft.fftfreq(256), indexing="ij")
    frequency = torch.hypot(u, v)
    band = total[(frequency > 1 / 20) & (frequency < 1 / 4)]
    assert band.max() / band.min() < 1.25


def test_a_shuffled_bank_keeps_the_gains_of_each_filter_and_one_permutation_for_all():
    bank = FilterBank(**{**_settings(BANKS["paper"]), "low_pass": (2.0,)})
    plain, shuffled = transfer_functions(bank, (12, 14)), transfer_functions(bank.shuffled(3), (12, 14))
    assert not torch.equal(plain, shuffled)
    assert_close(plain.flatten(1).sort().values, shuffled.flatten(1).sort().values)
    key = plain.flatten(1).T.tolist()
    assert sorted(key) == sorted(shuffled.flatten(1).T.tolist())  # columns moved as a whole
    assert torch.equal(shuffled, transfer_functions(bank.shuffled(3), (12, 14)))
    assert not torch.equal(shuffled, transfer_functions(bank.shuffled(4), (12, 14)))


def _settings(bank):
    return {name: getattr(bank, name) for name in bank.__dataclass_fields__ if name != "filters"}


def test_sampled_banks_are_remembered_up_to_a_number_of_bytes():
    remembered = _Remembered(limit=50_000)
    plain = torch.float32, torch.device("cpu")
    bank = BANKS["kovesi"]  # 24 filters
    first = remembered(bank, (12, 14), None, *plain)  # 16 kB
    assert remembered(bank, (12, 14), None, *plain) is first
    for size in ((12, 15), (12, 16), (12, 17)):
        remembered(bank, size, None, *plain)
    assert [key[1] for key in remembered.banks] == [(12, 16), (12, 17)]
    assert remembered.bytes == sum(one.nbytes for one in remembered.banks.values()) <= 50_000
    large = remembered(bank, (40, 40), None, *plain)  # larger than the limit: the only one
    assert list(remembered.banks.values()) == [large]
