"""Bootstrap intervals against the theory of the mean, and their behavior in edge cases."""

from __future__ import annotations

import numpy as np
import pytest

from explainsal.metrics import mean_interval, paired_difference


def test_interval_of_many_values_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(0.6, 0.1, size=4000)
    interval = mean_interval(values)
    standard_error = values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean(), abs=1e-15)
    assert interval.low == pytest.approx(values.mean() - 1.96 * standard_error, abs=0.1 * standard_error)
    assert interval.high == pytest.approx(values.mean() + 1.96 * standard_error, abs=0.1 * standard_error)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    generator = np.random.default_rng(2)
    samples = generator.exponential(1.0, size=(300, 60))
    intervals = [mean_interval(sample, confidence=0.8, resamples=500) for sample in samples]
    covered = np.mean([i.low <= 1.0 <= i.high for i in intervals])
    assert 0.72 <= covered <= 0.86  # 0.8 within 3 standard errors, less the known shortfall for skewed samples


def test_pairing_removes_the_variance_between_images() -> None:
    generator = np.random.default_rng(3)
    images = generator.normal(0, 1, size=200)
    first, second = images + 0.05, images + generator.normal(0, 0.01, size=200)
    difference = paired_difference(first, second)
    assert difference.excludes_zero
    assert difference.low < 0.05 < difference.high
    assert not paired_difference(second, generator.permutation(first)).excludes_zero


def test_same_seed_same_interval() -> None:
    values = np.random.default_rng(4).normal(size=50)
    assert mean_interval(values, seed=5) == mean_interval(values, seed=5)
    assert mean_interval(values, seed=5) != mean_interval(values, seed=6)


def test_chunks_do_not_change_how_many_resamples_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    from explainsal.metrics import bootstrap

    values = np.arange(10.0)
    whole = bootstrap._resampled_means(values, 25, seed=0)
    monkeypatch.setattr(bootstrap, "_CHUNK", 40)  # four rows at a time
    np.testing.assert_array_equal(bootstrap._resampled_means(values, 25, seed=0), whole)


def test_undefined_images_are_left_out_and_counted() -> None:
    interval = mean_interval([np.nan, 1.0, np.nan, 3.0])
    assert (interval.mean, interval.images) == (2.0, 2)


@pytest.mark.parametrize(("values", "mean", "images"), [([], np.nan, 0), ([np.nan], np.nan, 0), ([2.0], 2.0, 1)])
def test_no_interval_from_fewer_than_two_images(values: list[float], mean: float, images: int) -> None:
    interval = mean_interval(values)
    np.testing.assert_equal((interval.mean, interval.low, interval.high), (mean, np.nan, np.nan))
    assert interval.images == images


def test_an_infinite_value_has_no_interval() -> None:
    interval = mean_interval([-np.inf, 1.0, 2.0])
    np.testing.assert_equal((interval.mean, interval.low, interval.high), (-np.inf, np.nan, np.nan))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="confidence"):
        mean_interval([1.0, 2.0], confidence=95)
    with pytest.raises(ValueError, match="vector"):
        mean_interval(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="same images"):
        paired_difference([1.0, 2.0], [1.0])
