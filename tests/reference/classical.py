"""Pieces of the classical models as loops over NumPy arrays, where no golden exists; no code of the package."""

from __future__ import annotations

import math

import numpy as np


def icl_patch_energy(image: np.ndarray, basis: np.ndarray) -> np.ndarray:
    """Incremental coding length of Hou & Zhang, patch by patch; image (h, w, 3), basis (F, 192)."""
    height, width, _ = image.shape
    patches = {}
    for row in range(height - 7):
        for column in range(width - 7):
            vector = [image[row + i, column + j, c] for c in range(3) for j in range(8) for i in range(8)]
            patches[row, column] = np.abs(basis @ np.array(vector))
    activity = sum(patches.values())
    share = activity / activity.sum()
    entropy = -sum(p * math.log2(p) for p in share if p > 0)
    gain = [max(0.0, -entropy - math.log2(p) - p - p * math.log2(p)) if p > 0 else 0.0 for p in share]
    weights = np.array(gain) / sum(gain)
    energy = np.zeros((height - 7, width - 7))
    for place, response in patches.items():
        energy[place] = weights @ response
    return energy


def imfilter(image: np.ndarray, kernel: np.ndarray, mode: str) -> np.ndarray:
    """Correlation, tap by tap, on a padded copy; `mode` as numpy.pad calls it."""
    before = [(n - 1) // 2 for n in kernel.shape]
    after = [n - 1 - b for n, b in zip(kernel.shape, before, strict=True)]
    padded = np.pad(image, list(zip(before, after, strict=True)), mode=mode)
    out = np.zeros_like(image)
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            out[row, column] = (padded[row : row + kernel.shape[0], column : column + kernel.shape[1]] * kernel).sum()
    return out


def imresize_axis(values: np.ndarray, target: int, scale: float, bicubic: bool) -> np.ndarray:
    """MATLAB's imresize of a vector: every weight evaluated, out-of-range samples mirrored about the edge."""
    n, support, widened = len(values), 2.0 if bicubic else 1.0, min(scale, 1.0)
    out = []
    for u in range(1, target + 1):
        centre = u / scale + 0.5 * (1 - 1 / scale)
        total = norm = 0.0
        reach = math.ceil(support / widened) + 1
        for i in range(math.floor(centre) - reach, math.floor(centre) + reach + 1):
            x = abs(widened * (centre - i))
            if bicubic:
                weight = 1.5 * x**3 - 2.5 * x**2 + 1 if x <= 1 else -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            else:
                weight = 1 - x
            if x >= support:
                continue
            sample = i - 1
            while not 0 <= sample < n:
                sample = -1 - sample if sample < 0 else 2 * n - 1 - sample
            total += weight * values[sample]
            norm += weight
        out.append(total / norm)
    return np.array(out)


def self_information(values: np.ndarray, bins: int) -> np.ndarray:
    """-log of the share of the pixels that fall into a pixel's bin, for one map size."""
    scaled = (values - values.min()) / (values.max() - values.min())
    place = np.minimum((scaled * bins).astype(int), bins - 1)
    out = np.zeros_like(scaled)
    for row in range(scaled.shape[0]):
        for column in range(scaled.shape[1]):
            out[row, column] = -math.log((place == place[row, column]).mean() + 1e-4)
    return out


def fuse(maps: list[np.ndarray], threshold: float) -> np.ndarray:
    """Maps scaled to 0..1, sorted by (max - mean)^2, weighted i/N, those below the threshold left out."""
    scaled = [(m - m.min()) / (m.max() - m.min()) for m in maps]
    scaled.sort(key=lambda m: (m.max() - m.mean()) ** 2)
    total = np.zeros_like(maps[0])
    for i, m in enumerate(scaled, start=1):
        if i / len(maps) >= threshold:
            total += i / len(maps) * m
    return total
