"""The paper's layer step as a careful reader would write it with NumPy and OpenCV: the baseline of the benchmark.

Block variance by reshape, `cv2.resize` once per candidate and scale, distances one activation map at a time, `argsort`
per map. Cut blocks are left out, as the reshape wants.
"""

from __future__ import annotations

import cv2
import numpy as np


def energies(maps, bank):
    """Local energy of K maps through G filters: (K * G, H, W), float32."""
    return np.concatenate([abs(np.fft.ifft2(np.fft.fft2(one) * bank)).astype(np.float32) for one in maps])


def resize(array, size):
    return cv2.resize(array, (size[1], size[0]), interpolation=cv2.INTER_LINEAR)


def block_variance(array, block=8):
    height, width = array.shape
    rows, columns = max(1, height // block), max(1, width // block)
    if height < block or width < block:
        return np.array([array.var()])
    cut = array[: rows * block, : columns * block]
    return cut.reshape(rows, block, columns, block).var(axis=(1, 3)).ravel()


def rebuild_layer(activations, candidates, scales=(4, 2, 1, 0.5, 0.25), top_k=10):
    """Eq. 2 to 4 for all activation maps (A, H, W) from candidates (N, H, W)."""
    size = activations.shape[1:]
    squares = np.zeros_like(activations)
    for scale in scales:
        there = (max(1, int(size[0] * scale)), max(1, int(size[1] * scale)))
        described = np.stack([block_variance(resize(one, there)) for one in candidates])
        for a, activation in enumerate(activations):
            errors = abs(described - block_variance(resize(activation, there))).mean(1)
            order = np.argsort(errors, kind="stable")[:top_k]
            weights = 1 / errors[order]
            weights /= weights.sum()
            combined = sum(w * resize(candidates[n], there) for w, n in zip(weights, order, strict=True))
            squares[a] += resize(combined.astype(np.float32), size) ** 2
    return np.sqrt(squares)


def explain(luminance, layers, bank_of, pool_size=10):
    """The whole sequential chain: activations per layer in order; returns the last reconstruction."""
    pool = [luminance]
    for activations in layers:
        seen = energies(pool, bank_of(pool[0].shape))
        size = activations.shape[1:]
        candidates = np.stack([resize(one, size) for one in seen]) if seen.shape[1:] != size else seen
        rebuilt = rebuild_layer(activations, candidates)
        order = np.argsort(abs(activations - rebuilt).mean((1, 2)), kind="stable")[:pool_size]
        pool = [rebuilt[a] for a in order]
    return rebuilt
