from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from explainsal.reporting.figures.filters import trend_text
from explainsal.reporting.usage import (
    LOW_PASS,
    Trend,
    bandwidth_octaves,
    bandwidth_trend,
    filter_usage,
    rank_correlation,
)


def terms(*rows: tuple[float, ...]) -> pd.DataFrame:
    """Build rows of layer, map, weight, wavelength, orientation, sigma_on_f."""
    columns = ["layer", "map", "weight", "wavelength", "orientation", "sigma_on_f"]
    return pd.DataFrame(rows, columns=columns).assign(image="a")


def trend_of(*rows: tuple[float, ...]) -> Trend:
    return bandwidth_trend(filter_usage(terms(*rows)))


def test_octaves_are_the_width_of_the_profile_at_half_its_height() -> None:
    """The width equals that of the profile, exp(-ln(f)^2 / (2 ln(sigma)^2)), whose half height is searched for."""
    sigma = 0.62
    octaves = np.linspace(-4, 4, 200_001)
    gain = np.exp(-((octaves * math.log(2)) ** 2) / (2 * math.log(sigma) ** 2))
    above = octaves[gain >= 0.5]
    assert bandwidth_octaves(sigma) == pytest.approx(above[-1] - above[0], abs=1e-4)


def test_a_ratio_and_its_inverse_are_equally_wide() -> None:
    assert bandwidth_octaves(0.5) == pytest.approx(bandwidth_octaves(2.0))


def test_shares_weigh_by_the_size_of_the_coefficient_and_every_map_the_same() -> None:
    usage = filter_usage(
        terms(
            (0, 0, 3.0, 4.0, 0.0, 0.5),
            (0, 0, -1.0, 8.0, 0.0, 0.5),  # a negative coefficient counts as much as a positive one
            (0, 1, 500.0, 8.0, math.pi / 2, 0.5),  # a map with large activations
        )
    )
    assert usage.wavelength[0].to_dict() == pytest.approx({4.0: 0.75 / 2, 8.0: 1.25 / 2})
    assert usage.orientation[0].to_dict() == pytest.approx({0.0: 0.5, 90.0: 0.5})


def test_low_pass_filters_have_a_row_but_no_bandwidth_and_constants_have_neither() -> None:
    usage = filter_usage(
        terms(
            (0, 0, 1.0, 4.0, 0.0, 0.5),
            (0, 0, 1.0, 25.1, math.nan, math.nan),  # low-pass: a wavelength, no orientation
            (0, 0, 7.0, math.nan, math.nan, math.nan),  # constant
        )
    )
    for table in (usage.wavelength, usage.orientation, usage.bandwidth):
        assert table.loc[LOW_PASS, 0] == pytest.approx(0.5)
        assert table[0].sum() == pytest.approx(1.0)
    assert usage.mean_bandwidth[0] == pytest.approx(bandwidth_octaves(0.5))


def test_a_map_without_any_coefficient_does_not_count() -> None:
    usage = filter_usage(terms((0, 0, 0.0, 4.0, 0.0, 0.5), (0, 1, 2.0, 8.0, 0.0, 0.5)))
    assert usage.wavelength[0].to_dict() == {8.0: 1.0}


def test_the_trend_of_growing_and_shrinking_bandwidths() -> None:
    growing = [(layer, 0, 1.0, 4.0, 0.0, 0.9 - 0.1 * layer) for layer in range(6)]
    trend = trend_of(*growing)
    assert trend.rank_correlation == pytest.approx(1.0)
    assert trend.verdict == "grows"
    assert trend.first == pytest.approx(np.mean(bandwidth_octaves(np.array([0.9, 0.8]))))
    assert trend.last == pytest.approx(np.mean(bandwidth_octaves(np.array([0.5, 0.4]))))
    shrinking = [(5 - layer, *rest) for layer, *rest in growing]
    assert trend_of(*shrinking).verdict == "shrinks"


def test_the_range_of_single_images() -> None:
    rows = [(layer, 0, 1.0, 4.0, 0.0, 0.9 - 0.1 * layer) for layer in range(6)]
    one, other = terms(*rows), terms(*((5 - layer, *rest) for layer, *rest in rows)).assign(image="b")
    assert bandwidth_trend(filter_usage(pd.concat([one, other]))).image_range == pytest.approx((-1.0, 1.0))


def test_no_trend_where_there_is_nothing_to_compare() -> None:
    trend = trend_of((0, 0, 1.0, 4.0, 0.0, 0.5), (1, 0, 1.0, 4.0, 0.0, 0.6))
    assert math.isnan(trend.rank_correlation)
    assert trend.verdict == "neither grows nor shrinks"


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 6).map(float), min_size=3, max_size=20))
def test_rank_correlation_is_spearmans(values: list[float]) -> None:
    actual = rank_correlation(pd.Series(values))
    if len(set(values)) == 1:
        assert math.isnan(actual)
    else:
        assert actual == pytest.approx(spearmanr(range(len(values)), values).statistic, abs=1e-12)


def test_a_bank_of_one_bandwidth_shows_no_trend() -> None:
    """Weighted means of equal numbers differ in their last digits, which is not a trend."""
    rng = np.random.default_rng(0)
    rows = [(layer, m, w, 4.0, 0.0, 0.65) for layer in range(12) for m in range(5) for w in rng.normal(size=3)]
    trend = trend_of(*rows)
    assert math.isnan(trend.rank_correlation)
    assert trend.first == trend.last
    assert "cannot show whether it grows" in trend_text(trend)
