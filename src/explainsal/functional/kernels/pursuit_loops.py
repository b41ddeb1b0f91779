"""Orthogonal matching pursuit of single rows, from inner products alone, in float64."""

from __future__ import annotations

import math

import numpy as np

from explainsal.functional.kernels.jit import Array, loop


@loop
def best_candidate(merit: Array, bits: Array, tie: float) -> tuple[float, int]:
    """Find the largest merit and the first candidate that has it, up to a relative tolerance.

    Args:
        merit: Shape ``(N,)``, not negative.
        bits: The same memory as integers in the same order, whose comparisons run on vector units.
        tie: The relative tolerance.
    """
    largest = 0
    for x in range(len(bits)):
        largest = max(largest, bits[x])
    best = np.int64(largest).view(np.float64)
    for x in range(len(merit)):
        if merit[x] >= best * (1 - tie):
            return best, x
    return best, 0


@loop
def rate(left: Array, novelty: Array, dependent: float, merit: Array) -> None:
    """Write the magnitude of each residual correlation, or 0 for candidates with too little unexplained length."""
    for x in range(len(left)):
        merit[x] = abs(left[x]) if novelty[x] >= dependent else 0.0


@loop
def take_shares(row: Array, one: Array, share: float, other: Array, its: float) -> None:
    """Subtract multiples of two rows from `row`."""
    for x in range(len(row)):
        row[x] -= share * one[x] + its * other[x]


@loop
def take_share(row: Array, one: Array, share: float) -> None:
    """Subtract a multiple of another row from `row`."""
    for x in range(len(row)):
        row[x] -= share * one[x]


@loop
def take_step(row: Array, norm: float, share: float, left: Array, novelty: Array) -> None:
    """Scale a row and subtract its part from `left` and `novelty`."""
    for x in range(len(row)):
        value = row[x] * norm
        row[x] = value
        left[x] -= share * value
        novelty[x] -= value * value


@loop
def orthogonalize(gram: Array, basis: Array, step: int, candidate: int, left: Array, novelty: Array) -> None:
    """Make row `step` of the basis from a candidate, and subtract its part from `left` and `novelty`.

    Args:
        gram: Inner products of the candidate with all candidates, shape ``(N,)``.
        basis: Inner products of all candidates with the orthonormalised chosen ones, shape ``(T, N)``.
        step: Number of chosen candidates.
        candidate: The candidate to add.
        left: Inner products of the residual with all candidates, shape ``(N,)``.
        novelty: Squared length of each candidate that the chosen ones do not explain, shape ``(N,)``.
    """
    row, norm = basis[step], 1 / math.sqrt(novelty[candidate])
    for x in range(len(row)):
        row[x] = gram[x]
    for s in range(0, step - 1, 2):
        take_shares(row, basis[s], basis[s, candidate], basis[s + 1], basis[s + 1, candidate])
    if step % 2:
        take_share(row, basis[step - 1], basis[step - 1, candidate])
    take_step(row, norm, left[candidate] * norm, left, novelty)


@loop
def write_system(gram: Array, target: Array, index: Array, count: int, ridge: float, matrix: Array, out: Array) -> None:
    """Write the lower triangle of the inner products of some candidates, and their products with a row."""
    for i in range(count):
        out[i] = target[index[i]]
        for j in range(i + 1):
            matrix[i, j] = gram[index[i], index[j]]
        matrix[i, i] += ridge


@loop
def solve_first_half(matrix: Array, right: Array, count: int) -> None:
    """Write the Cholesky factor of the first `count` equations, and solve its lower triangle for `right`."""
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


@loop
def solve_system(gram: Array, target: Array, index: Array, count: int, ridge: float, matrix: Array, out: Array) -> None:
    """Write the least-squares weights of the first `count` candidates in `index`.

    Args:
        gram: Inner products of the candidates, shape ``(N, N)``.
        target: Inner products of the row with the candidates, shape ``(N,)``.
        index: Shape ``(T,)``, int64.
        count: Number of candidates; the weights of the others stay.
        ridge: Value added to the diagonal.
        matrix: Work array, shape ``(T, T)``.
        out: Shape ``(T,)``.
    """
    write_system(gram, target, index, count, ridge, matrix, out)
    solve_first_half(matrix, out, count)
    for i in range(count - 1, -1, -1):
        for k in range(i + 1, count):
            out[i] -= matrix[k, i] * out[k]
        out[i] /= matrix[i, i]


@loop
def count_above(
    gram: Array, target: Array, index: Array, least: float, ridge: float, matrix: Array, right: Array
) -> int:  # fmt: skip
    """Return the number of terms before the first that explains less than a share of what the earlier ones left.

    Args:
        gram: Inner products of the candidates, shape ``(N, N)``.
        target: Inner products of the row, of unit length, with the candidates, shape ``(N,)``.
        index: The terms in the order of their choice, shape ``(T,)``, int64; -1 at unused places.
        least: The share.
        ridge: Value added to the diagonal.
        matrix: Work array, shape ``(T, T)``.
        right: Work array, shape ``(T,)``.
    """
    count = 0
    while count < len(index) and index[count] >= 0:
        count += 1
    write_system(gram, target, index, count, ridge, matrix, right)
    solve_first_half(matrix, right, count)
    left = 1.0
    for i in range(count):
        explained = right[i] * right[i]
        if not explained >= least * max(left, 2.0**-1022):
            return i
        left -= explained
    return count


@loop
def keep_above(
    gram: Array, target: Array, least: float, jitter: float, ridge: float, index: Array, weights: Array
) -> None:  # fmt: skip
    """Keep the terms of each row before the first that explains too little, and fit their weights again.

    If no row has a term left, each keeps its first.

    Args:
        gram: Shape ``(N, N)``.
        target: Shape ``(R, N)``.
        least: See :func:`count_above`.
        jitter: The `ridge` of :func:`count_above`.
        ridge: Value added to the diagonal for the solution of the weights.
        index: Shape ``(R, T)``, int64; removed terms become -1.
        weights: Shape ``(R, T)``, float64, of removed terms 0.
    """
    terms = index.shape[1]
    matrix, right, kept = np.empty((terms, terms)), np.empty(terms), np.zeros(len(index), np.int64)
    nothing = True
    for r in range(len(index)):
        kept[r] = count_above(gram, target[r], index[r], least, jitter, matrix, right)
        nothing = nothing and kept[r] == 0
    for r in range(len(index)):
        count = 1 if nothing and index[r, 0] >= 0 else kept[r]
        for t in range(count, terms):
            index[r, t], weights[r, t] = -1, 0.0
        solve_system(gram, target[r], index[r], count, ridge, matrix, weights[r])


@loop
def pursue(
    gram: Array, target: Array, dependent: float, faint: float, tie: float, ridge: float, index: Array, weights: Array
) -> None:
    """Write the candidates that the signed pursuit chooses for every row, and their least-squares weights.

    Args:
        gram: Inner products of the candidates, shape ``(N, N)``.
        target: Inner products of the rows with the candidates, shape ``(R, N)``.
        dependent: A candidate is skipped when less than this much of its squared length is unexplained.
        faint: Least absolute correlation at which a row takes a candidate.
        tie: Relative difference below which correlations count as equal; the first such candidate is taken.
        ridge: Value added to the diagonal of the inner products for the solution of the weights.
        index: Shape ``(R, T)``, int64, filled with -1.
        weights: Shape ``(R, T)``, float64, filled with 0.
    """
    terms, candidates = index.shape[1], len(gram)
    left, novelty, basis = np.empty(candidates), np.empty(candidates), np.empty((terms, candidates))
    matrix, merit = np.empty((terms, terms)), np.empty(candidates)
    bits = merit.view(np.int64)
    for r in range(len(target)):
        for x in range(candidates):
            left[x] = target[r, x]
            novelty[x] = gram[x, x] if gram[x, x] > 0.5 else 0.0
        count = 0
        while count < terms:
            rate(left, novelty, dependent, merit)
            best, candidate = best_candidate(merit, bits, tie)
            if not best > faint:
                break
            orthogonalize(gram[candidate], basis, count, candidate, left, novelty)
            index[r, count] = candidate
            count += 1
        solve_system(gram, target[r], index[r], count, ridge, matrix, weights[r])
