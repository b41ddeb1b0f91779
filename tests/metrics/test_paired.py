"""Paired tests against SciPy's exact permutations, and Holm's adjustment against an explicit loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import permutation_test

from explainsal.metrics.bootstrap import holm, sign_flip_test


@given(seed=st.integers(0, 10**6), shift=st.sampled_from([0.0, 0.3, 1.0]))
def test_the_p_value_is_that_of_all_sign_flips(seed, shift):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(shift, 1, 9), rng.normal(0, 1, 9)
    exact = permutation_test(
        (first, second),
        lambda a, b: abs((a - b).mean()),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    ).pvalue
    assert sign_flip_test(first, second, flips=20_000) == pytest.approx(exact, abs=0.02)


def test_pairs_matter_and_order_of_models_does_not():
    rng = np.random.default_rng(0)
    images = rng.normal(0, 5, 40)  # images differ far more than the models
    first, second = images + rng.normal(0.5, 0.3, 40), images
    assert sign_flip_test(first, second) == pytest.approx(1 / 10_001)
    assert sign_flip_test(second, first) == sign_flip_test(first, second)
    assert sign_flip_test(rng.permutation(first), second) > 0.05


def test_images_without_a_value_are_left_out_and_too_few_are_no_test():
    first, second = np.array([1.0, 2, 3, np.nan, 5]), np.array([0.5, 1, np.nan, 4, 3])
    assert sign_flip_test(first, second) == sign_flip_test(first[[0, 1, 4]], second[[0, 1, 4]])
    assert np.isnan(sign_flip_test([1.0], [2.0]))
    assert np.isnan(sign_flip_test([1.0, np.inf, 2], [0.0, 0, 0]))
    with pytest.raises(ValueError, match="same images"):
        sign_flip_test([1.0, 2], [1.0])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_the_rule_written_out(values):
    order = sorted(range(len(values)), key=lambda i: values[i])
    expected, before = [0.0] * len(values), 0.0
    for rank, i in enumerate(order):
        before = max(before, min(1.0, (len(values) - rank) * values[i]))
        expected[i] = before
    assert holm(values).tolist() == pytest.approx(expected)


def test_holm_leaves_out_what_is_no_test():
    adjusted = holm([0.01, np.nan, 0.04])
    assert np.isnan(adjusted[1])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.04])
