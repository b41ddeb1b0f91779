"""Fixations in raw gaze: against a plain sample-by-sample version, and trials whose answer is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.reference.gaze import fixations

from explainsal.data.gaze_events import acceleration, find_fixations


def trial(seed: int, stops: int) -> np.ndarray:
    """Stops of 3 to 90 samples with jitter, moves of 1 to 5 samples, blinks, jumps of a single sample."""
    rng = np.random.default_rng(seed)
    parts, here = [], rng.uniform(0, 1000, 2)
    for _ in range(stops):
        parts.append(here + rng.normal(0, rng.choice([0.0, 0.3, 2.0]), (rng.integers(3, 90), 2)))
        there = here + rng.normal(0, 200, 2)
        parts.append(here + np.linspace(0, 1, rng.integers(2, 7))[1:, None] * (there - here))
        here = there
        if rng.random() < 0.15:
            parts.append(np.full((rng.integers(1, 30), 2), -500.0))
        if rng.random() < 0.15:
            parts.append(here + rng.normal(0, 60, (1, 2)))
    gaze = np.concatenate(parts)
    if rng.random() < 0.3:
        gaze[rng.integers(0, len(gaze), 3)] = np.nan
    return gaze


@given(st.integers(0, 10**6), st.integers(1, 9))
@settings(max_examples=150, deadline=None)
def test_equals_the_plain_version(seed, stops):
    gaze = trial(seed, stops)
    expected = fixations([tuple(s) for s in gaze.tolist()])
    found = find_fixations(gaze)
    assert [(*p, round(s * 240), round(d * 240)) for p, s, d in
            zip(found.points.tolist(), found.start, found.duration, strict=True)] == expected  # fmt: skip


def test_stops_are_found_with_their_places_and_times():
    stops = np.array([[512.0, 384], [100, 100], [900, 200], [300, 700.5]])
    found = find_fixations(np.repeat(stops, 180, axis=0))
    np.testing.assert_array_equal(found.points, stops)
    assert found.start[0] == 1 / 240
    assert np.abs(found.start - np.arange(4) * 0.75).max() < 0.05
    assert np.abs(found.duration - 0.75).max() < 0.05


def test_the_place_is_the_median_of_each_coordinate_and_blinks_count():
    gaze = np.full((50, 2), [10.0, 20.0])
    gaze[:20] = [11, 30]
    gaze[45:] = np.nan
    assert find_fixations(gaze + np.zeros((50, 2))).points.shape[1] == 2
    slow = np.stack([np.linspace(0, 9, 101), np.linspace(0, 30, 101)], 1)
    found = find_fixations(slow)
    assert found.points.tolist() == [[4.5, 15.0]]
    assert found.duration.tolist() == [101 / 240]


@pytest.mark.parametrize("samples", [1, 2, 5, 6, 7, 8])
def test_a_trial_of_a_few_samples_is_one_fixation(samples):
    gaze = np.arange(2.0 * samples).reshape(-1, 2)
    assert len(find_fixations(gaze).points) == 1
    assert (acceleration(gaze)[:1] == 0).all()


def test_a_short_stop_between_two_saccades_is_part_of_them():
    gaze = np.concatenate(
        [np.full((60, 2), [100.0, 100]), np.full((14, 2), [400.0, 100]), np.full((60, 2), [700.0, 100])]
    )
    assert find_fixations(gaze).points.tolist() == [[100, 100], [700, 100]]


def test_no_sample_is_an_error():
    with pytest.raises(ValueError, match="without a gaze sample"):
        find_fixations(np.zeros((0, 2)))
