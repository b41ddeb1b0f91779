"""Fixation densities equal SciPy's Gaussian filter and the field's reference engine."""

import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from explainsal.data.density import fixation_density


@settings(deadline=None, max_examples=40)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.floats(0.3, 30.0),
    st.integers(0, 12),
    st.integers(0, 2**32 - 1),
)
def test_equals_scipy_for_every_size_and_sigma(size, sigma, count, seed):
    """Kernels longer than the image, too: the reflection then repeats."""
    points = np.random.default_rng(seed).random((count, 2)) * (size[1], size[0])
    counts = np.zeros(size)
    np.add.at(counts, (points[:, 1].astype(int), points[:, 0].astype(int)), 1)
    expected = gaussian_filter(counts, sigma, mode="reflect", truncate=4.0)
    actual = fixation_density(points, size, sigma)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-6 * max(1, count))  # float32 sums of count terms


def test_equals_the_reference_engine(shared):
    """pysaliency's FixationMap on real fixations, stored to 2^-20."""
    folder = shared / "fixtures" / "metrics"
    assert "calls" in json.loads((folder / "reference.json").read_text())
    data = np.load(folder / "inputs.npz")
    for image, expected in enumerate(data["gt_map"]):
        own = data["fix_image"] == image
        points = np.stack([data["fix_col"][own], data["fix_row"][own]], 1) + 0.5
        np.testing.assert_allclose(fixation_density(points, expected.shape, 9.6), expected, rtol=0, atol=2**-20)


def test_mass_is_the_number_of_fixations():
    points = np.array([[0.0, 0.0], [19.99, 9.99], [7.5, 3.5], [7.5, 3.5]])
    assert fixation_density(points, (10, 20), 4.0).sum() == pytest.approx(4, rel=1e-6)
    assert fixation_density(np.zeros((0, 2)), (10, 20), 4.0).max() == 0


@pytest.mark.parametrize("point", [(-0.1, 1), (20.0, 1), (1, 10.0), (np.nan, 1)])
def test_points_outside_are_refused(point):
    with pytest.raises(ValueError, match="outside"):
        fixation_density(np.array([point]), (10, 20), 4.0)


def test_a_callers_autocast_does_not_round_it():
    points = np.array([[10.5, 20.0], [3.0, 7.0]])
    alone = fixation_density(points, (30, 40), 2.0)
    with torch.autocast("cpu", torch.bfloat16):
        assert np.array_equal(fixation_density(points, (30, 40), 2.0), alone)


def test_sigma_must_be_positive():
    with pytest.raises(ValueError, match="sigma"):
        fixation_density(np.zeros((0, 2)), (10, 20), 0.0)
