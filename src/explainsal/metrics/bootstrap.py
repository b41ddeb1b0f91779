"""Uncertainty over images: bootstrap intervals of means, and paired comparisons of two models on the same images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

_CHUNK = 1 << 22  # draws in memory at a time


@dataclass(frozen=True)
class Interval:
    """A mean over images and its percentile interval.

    Args:
        mean: Mean over the images where the value is defined.
        low: Lower end; NaN with fewer than two images.
        high: Upper end; NaN with fewer than two images.
        images: Number of images in the mean.
    """

    mean: float
    low: float
    high: float
    images: int

    @property
    def excludes_zero(self) -> bool:
        """Return whether 0 lies outside the interval: a difference is then significant at the interval's level."""
        return self.low > 0 or self.high < 0


def mean_interval(values: ArrayLike, *, confidence: float = 0.95, resamples: int = 5000, seed: int = 0) -> Interval:
    """Return the mean over images and its bootstrap percentile interval.

    Each resample draws as many images as there are, with replacement.

    Args:
        values: Shape ``(N,)``, one value per image; NaN values are ignored.
        confidence: Coverage probability of the interval.
        resamples: Number of resamples; 5000 fix the ends of a 95% interval to about 1% of its width.
        seed: Equal seeds and images give equal intervals.

    Raises:
        ValueError: If an option is out of range or `values` is not a vector.

    Example:
        >>> interval = mean_interval([0.2, 0.4, 0.6, 0.8, float("nan")])
        >>> interval.mean, interval.images, interval.low < 0.5 < interval.high
        (0.5, 4, True)
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"values must be a vector with one value per image, got shape {array.shape}")
    if not 0 < confidence < 1 or resamples < 1:
        raise ValueError(f"confidence must lie in (0, 1) and resamples be positive, got {confidence} and {resamples}")
    array = array[~np.isnan(array)]
    if len(array) < 2 or not np.isfinite(array).all():
        return Interval(float(array.mean()) if len(array) else np.nan, np.nan, np.nan, len(array))
    means = _resampled_means(array, resamples, seed)
    low, high = np.quantile(means, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(array.mean()), float(low), float(high), len(array))


def paired_difference(
    first: ArrayLike, second: ArrayLike, *, confidence: float = 0.95, resamples: int = 5000, seed: int = 0
) -> Interval:
    """Return the mean of ``first - second`` over the same images and its interval.

    The interval is far narrower than that of either model's mean.

    Args:
        first: Shape ``(N,)``, one value per image of one model.
        second: Shape ``(N,)``, of another model on the same images in the same order. Images with a NaN are ignored.
        confidence: Coverage probability of the interval.
        seed: Equal seeds and images give equal intervals.

    Raises:
        ValueError: If the lengths differ or an option is out of range.

    Example:
        >>> paired_difference([0.3, 0.5, 0.9], [0.2, 0.4, 0.8]).excludes_zero
        True
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape:
        raise ValueError(f"paired values must be of the same images, got shapes {a.shape} and {b.shape}")
    return mean_interval(a - b, confidence=confidence, resamples=resamples, seed=seed)


def sign_flip_test(first: ArrayLike, second: ArrayLike, *, flips: int = 10_000, seed: int = 0) -> float:
    """Return the two-sided p-value of a paired randomization test of two models.

    Under the null hypothesis the models are exchangeable on every image, so each difference may have either sign. The
    p-value is the share of random sign assignments whose mean lies at least as far from 0 as the observed mean. The
    observed assignment is counted, so the p-value is never 0.

    Args:
        first: Shape ``(N,)``, one value per image of one model.
        second: Shape ``(N,)``, of another model on the same images in the same order. Images with a NaN are ignored.
        flips: Number of sign assignments; the smallest p-value is ``1 / (flips + 1)``.
        seed: Equal seeds and images give equal p-values.

    Returns:
        The p-value; NaN with fewer than two images or an infinite value.

    Raises:
        ValueError: If the lengths differ or `flips` is not positive.

    Example:
        >>> sign_flip_test([0.5, 0.7, 0.6], [0.5, 0.7, 0.6]), round(sign_flip_test(range(1, 11), [0] * 10), 3) < 0.01
        (1.0, True)
    """
    a, b = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"paired values must be vectors over the same images, got shapes {a.shape} and {b.shape}")
    if flips < 1:
        raise ValueError(f"flips must be positive, got {flips}")
    differences = (a - b)[~np.isnan(a - b)]
    if len(differences) < 2 or not np.isfinite(differences).all():
        return float("nan")
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(differences))
    # tolerance for rounding: the sum of the same differences depends slightly on their order
    observed = abs(differences.sum()) * (1 - 1e-12)
    reached = 0
    for start in range(0, flips, rows):
        signs = generator.integers(0, 2, size=(min(rows, flips - start), len(differences)), dtype=np.int8)
        reached += int((np.abs((2.0 * signs - 1) @ differences) >= observed).sum())
    return (reached + 1) / (flips + 1)


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for multiple tests with Holm's step-down method (family-wise error rate).

    Args:
        p_values: Shape ``(K,)``; NaN marks a missing test and stays NaN.

    Example:
        >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
        [0.03, 0.06, 0.06]
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full_like(p, np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _resampled_means(values: NDArray[np.float64], resamples: int, seed: int) -> NDArray[np.float64]:
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(values))
    chunks = [
        values[generator.integers(len(values), size=(min(rows, resamples - start), len(values)))].mean(axis=1)
        for start in range(0, resamples, rows)
    ]
    return np.concatenate(chunks)
