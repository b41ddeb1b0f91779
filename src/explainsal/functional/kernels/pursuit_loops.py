"""Orthogonal matching pursuit of one row after the other, from inner products alone, in float64."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop


@loop
def best_candidate(left: Array, novelty: Array, dependent: float) -> tuple[float, int]:
    """Largest magnitude of what is left to explain among candidates that are new enough, and the first to have it."""
    best, candidate = 0.0, 0
    for x in range(len(left)):
        value = abs(left[x])
        if value > best and novelty[x] >= dependent:
            best, candidate = value, x
    return best, candidate


@loop
def orthogonalize(gram: Array, basis: Array, step: int, candidate: int, left: Array, novelty: Array) -> None:
    """Make row `step` of the basis from a candidate, and take its share from what is left and from what is new.

    Args:
        gram: Shape ``(N,)``: inner products of the candidate with all.
        basis: Shape ``(T, N)``: inner products of all candidates with the chosen ones made orthonormal.
        step: How many of these there are.
        candidate: The one to add.
        left: Shape ``(N,)``: inner products of the residual with all candidates.
        novelty: Shape ``(N,)``: squared length of what the chosen ones do not explain of each candidate.
    """
    row, norm = basis[step], 1 / math.sqrt(novelty[candidate])
    for x in range(len(row)):
        row[x] = gram[x]
    for s in range(step):
        before, share = basis[s], basis[s, candidate]
        for x in range(len(row)):
            row[x] -= share * before[x]
    share = left[candidate] * norm
    for x in range(len(row)):
        value = row[x] * norm
        row[x] = value
        left[x] -= share * value
        novelty[x] -= value * value


@loop
def solve(matrix: Array, right: Array, count: int) -> None:
    """Solve the first `count` equations of a positive definite system by Cholesky; `right` becomes the answer."""
    for i in range(count):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            matrix[i, j] = math.sqrt(total) if i == j else total / matrix[j, j]
    for i in range(count):
        for k in range(i):
            right[i] -= matrix[i, k] * right[k]
        right[i] /= matrix[i, i]
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            right[i] -= matrix[k, i] * right[k]
        right[i] /= matrix[i, i]


@loop
def pursue(
    gram: Array, target: Array, dependent: float, faint: float, ridge: float, index: Array, weights: Array
) -> None:
    """Write the candidates that signed pursuit takes for every row, and their least-squares weights.

    Args:
        gram: Shape ``(N, N)``: inner products of the candidates.
        target: Shape ``(R, N)``: inner products of the rows with them.
        dependent: A candidate of whose squared length less is new is passed over.
        faint: A row takes no candidate that correlates less.
        ridge: Added to the diagonal of the inner products when weights are solved for.
        index: Shape ``(R, T)``, int64, filled with -1.
        weights: Shape ``(R, T)``, float64, filled with 0.
    """
    terms, candidates = index.shape[1], len(gram)
    left, novelty, basis = np.empty(candidates), np.empty(candidates), np.empty((terms, candidates))
    matrix = np.empty((terms, terms))
    for r in range(len(target)):
        for x in range(candidates):
            left[x] = target[r, x]
            novelty[x] = gram[x, x] if gram[x, x] > 0.5 else 0.0
        count = 0
        while count < terms:
            best, candidate = best_candidate(left, novelty, dependent)
            if not best > faint:
                break
            orthogonalize(gram[candidate], basis, count, candidate, left, novelty)
            index[r, count] = candidate
            count += 1
        for i in range(count):
            weights[r, i] = target[r, index[r, i]]
            for j in range(i + 1):
                matrix[i, j] = gram[index[r, i], index[r, j]]
            matrix[i, i] += ridge
        solve(matrix, weights[r], count)
