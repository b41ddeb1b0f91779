"""Saliency metrics as plain loops over NumPy arrays, from their definitions: slow, for tests and as a speed baseline.

One image at a time: a map (H, W), integer fixations as lists of (row, column). Shares no code with the package.
"""

from __future__ import annotations

import math

import numpy as np

Points = list[tuple[int, int]]


def density(saliency: np.ndarray) -> np.ndarray:
    saliency = saliency.astype(np.float64)
    if saliency.min() < 0:
        saliency = saliency - saliency.min()
    if saliency.sum() == 0:
        return np.full(saliency.shape, 1 / saliency.size)
    return saliency / saliency.sum()


def sim(saliency: np.ndarray, target: np.ndarray) -> float:
    return float(np.minimum(density(saliency), density(target)).sum())


def cc(saliency: np.ndarray, target: np.ndarray) -> float:
    if target.min() == target.max():
        return math.nan
    if saliency.min() == saliency.max():
        return 0.0
    return float(np.corrcoef(saliency.astype(float).ravel(), target.astype(float).ravel())[0, 1])


def kl_div(saliency: np.ndarray, target: np.ndarray, eps: float = 2.2204e-16) -> float:
    p, g = density(saliency), density(target)
    return float((g * np.log(eps + g / (p + eps))).sum())


def nss(saliency: np.ndarray, points: Points) -> float:
    if not points:
        return math.nan
    saliency = saliency.astype(np.float64)
    if saliency.min() == saliency.max():
        return 0.0
    standardized = (saliency - saliency.mean()) / saliency.std()
    return sum(float(standardized[p]) for p in points) / len(points)


def information_gain(saliency: np.ndarray, points: Points, baseline: np.ndarray) -> float:
    if not points:
        return math.nan
    p, b = density(saliency), density(baseline)
    with np.errstate(divide="ignore"):
        return float(np.mean([np.log2(p[x]) - np.log2(b[x]) for x in points]))


def pairwise_auc(positives: list[float], negatives: np.ndarray, weights: np.ndarray | None = None) -> float:
    """How often a positive beats a negative, a tie counting half: the definition, pair by pair."""
    if not positives or not len(negatives):
        return math.nan
    weights = np.ones(len(negatives)) if weights is None else weights
    wins = [float((weights * ((value > negatives) + 0.5 * (value == negatives))).sum()) for value in positives]
    return sum(wins) / len(positives) / float(weights.sum())


def auc(saliency: np.ndarray, points: Points) -> float:
    return pairwise_auc([float(saliency[p]) for p in points], saliency.astype(float).ravel())


def shuffled_auc(saliency: np.ndarray, points: Points, others: Points) -> float:
    negatives = np.array([float(saliency[p]) for p in others])
    return pairwise_auc([float(saliency[p]) for p in points], negatives)


def auc_judd_once(saliency: np.ndarray, points: Points, noise: np.ndarray) -> float:
    """The MIT code's loop over the fixated values, largest first, after adding noise."""
    jittered = saliency.astype(np.float64) + noise
    unique = sorted(set(points))
    thresholds = sorted((float(jittered[p]) for p in unique), reverse=True)
    n_fixated, n_pixels = len(unique), jittered.size
    hits, alarms = [0.0], [0.0]
    for i, threshold in enumerate(thresholds, start=1):
        above = int((jittered >= threshold).sum())
        hits.append(i / n_fixated)
        alarms.append((above - i) / (n_pixels - n_fixated))
    hits.append(1.0)
    alarms.append(1.0)
    steps = zip(hits[:-1], hits[1:], alarms[:-1], alarms[1:], strict=True)
    return sum((x1 - x0) * (y0 + y1) / 2 for y0, y1, x0, x1 in steps)


def grid_auc(positives: list[float], negatives: list[float], step: float, drop_maximum: bool = False) -> float:
    """Area under the curve over the thresholds 0, step, ..., the largest value."""
    top = max([*positives, *negatives])
    hits, alarms = [0.0], [0.0]
    thresholds = [
        i * step for i in range(int(1 / step) + 2) if i * step < top or (i * step == top and not drop_maximum)
    ]
    for threshold in reversed(thresholds):
        hits.append(sum(v >= threshold for v in positives) / len(positives))
        alarms.append(sum(v >= threshold for v in negatives) / len(negatives))
    hits.append(1.0)
    alarms.append(1.0)
    steps = zip(hits[:-1], hits[1:], alarms[:-1], alarms[1:], strict=True)
    return sum((x1 - x0) * (y0 + y1) / 2 for y0, y1, x0, x1 in steps)


def other_points(all_points: list[np.ndarray], sizes: list[tuple[int, int]], image: int) -> Points:
    """All fixations of all other images, scaled to this one and truncated."""
    height, width = sizes[image]
    found = []
    for other, (points, (h, w)) in enumerate(zip(all_points, sizes, strict=True)):
        if other != image:
            found += [(min(int(y * (height / h)), height - 1), min(int(x * (width / w)), width - 1)) for x, y in points]
    return found


def ranked_auc(positives: np.ndarray, negatives: np.ndarray) -> float:
    """The same as `pairwise_auc`, by sorting the negatives: the fast way in NumPy."""
    negatives = np.sort(negatives)
    below, not_above = np.searchsorted(negatives, positives, "left"), np.searchsorted(negatives, positives, "right")
    return float((below + not_above).mean() / 2 / len(negatives))


def ranked_auc_judd(saliency: np.ndarray, points: Points) -> float:
    """The MIT code's curve without jitter (no ties), one sort in place of one pass per fixation."""
    flat = np.sort(saliency.ravel())
    fixated = np.sort([saliency[p] for p in set(points)])[::-1]
    above = len(flat) - np.searchsorted(flat, fixated, "left")
    hit = np.arange(1, len(fixated) + 1)
    x = np.concatenate([[0], (above - hit) / (len(flat) - len(fixated)), [1]])
    y = np.concatenate([[0], hit / len(fixated), [1]])
    return float(((x[1:] - x[:-1]) * (y[1:] + y[:-1]) / 2).sum())
