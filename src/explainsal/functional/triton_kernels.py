"""Kernels for CUDA, in Triton: what PyTorch does in several passes over memory and several launches, in one each.

Imported by :mod:`explainsal.functional.fused` alone, where Triton is there; CUDA builds of PyTorch bring it along.
"""

# mypy: ignore-errors
# Triton compiles these functions itself, and has its own types

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def centered_scale(
    values, out, means, stds, count, length, images, rows, out_images, out_rows, rounding, BLOCK: tl.constexpr
):  # fmt: skip
    """One row for each program: its mean and standard deviation, then the row standardised.

    Rows ``(b, n)`` of `values` lie `images` and `rows` numbers apart, those of `out` likewise; n runs to `count`.
    A row whose deviation is at most `rounding` times its largest magnitude is dead: 0, with a deviation of 0.
    """
    row = tl.program_id(0).to(tl.int64)
    image, number = row // count, row % count
    source = values + image * images + number * rows
    target = out + image * out_images + number * out_rows
    kind = values.dtype.element_ty
    lane = tl.arange(0, BLOCK)
    total, largest = tl.zeros((BLOCK,), kind), tl.zeros((BLOCK,), kind)
    for start in range(0, length, BLOCK):
        x = tl.load(source + start + lane, mask=start + lane < length, other=0.0)
        total += x
        largest = tl.maximum(largest, tl.abs(x))
    mean = tl.sum(total, 0) / length
    squares = tl.zeros((BLOCK,), kind)
    for start in range(0, length, BLOCK):  # again, from the cache
        inside = start + lane < length
        x = tl.load(source + start + lane, mask=inside, other=0.0)
        squares += tl.where(inside, (x - mean) * (x - mean), 0.0)
    std = tl.sqrt(tl.sum(squares, 0) / length)
    dead = std <= rounding * tl.max(largest, 0)
    for start in range(0, length, BLOCK):
        inside = start + lane < length
        x = tl.load(source + start + lane, mask=inside, other=0.0)
        tl.store(target + start + lane, tl.where(dead, 0.0, (x - mean) / std), mask=inside)
    tl.store(means + row, mean)
    tl.store(stds + row, tl.where(dead, 0.0, std))


@triton.jit
def pairwise_mae(
    first, second, negative, out, rows, columns, length, flipped,
    SIGNED: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr, STEP: tl.constexpr,
):  # fmt: skip
    """A tile of mean absolute differences for each program: ``(image, rows of first, rows of second)``.

    With SIGNED the leading `flipped` numbers of a row of `first` change their sign for pairs that `negative` marks.
    """
    image = tl.program_id(2).to(tl.int64)
    a = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    n = tl.program_id(0) * COLUMNS + tl.arange(0, COLUMNS)
    here, there = (a < rows)[:, None], (n < columns)[:, None]
    mine = first + (image * rows + a[:, None]) * length
    others = second + (image * columns + n[:, None]) * length
    place, inside = (image * rows + a[:, None]) * columns + n[None, :], here & (n < columns)[None, :]
    kind = first.dtype.element_ty
    sign = tl.full((ROWS, COLUMNS), 1.0, kind)
    if SIGNED:
        sign = tl.where(tl.load(negative + place, mask=inside, other=0) != 0, -sign, sign)
    total = tl.zeros((ROWS, COLUMNS), kind)
    for start in range(0, length, STEP):
        d = start + tl.arange(0, STEP)[None, :]
        x = tl.load(mine + d, mask=here & (d < length), other=0.0)[:, None, :]
        y = tl.load(others + d, mask=there & (d < length), other=0.0)[None, :, :]
        if SIGNED:
            x = tl.where(d[:, None, :] < flipped, x * sign[:, :, None], x)
        total += tl.sum(tl.abs(x - y), 2)
    tl.store(out + place, total / length, mask=inside)


@triton.jit
def matching_pursuit(
    gram, target, basis, index, candidates, rows, terms, dependent, faint, BLOCK: tl.constexpr
):  # fmt: skip
    """The candidates of one row for each program, by Gram and Schmidt; `rows` rows share an image's `gram`.

    A candidate of which less than `dependent` is new is passed over; a row whose best correlation is at most `faint`
    takes no more, i.e. -1. `basis` ``(row, terms, candidates)`` is scratch: what each step left of the chosen row.
    """
    row = tl.program_id(0).to(tl.int64)
    own, mine = gram + row // rows * candidates * candidates, basis + row * terms * candidates
    n = tl.arange(0, BLOCK)
    inside = n < candidates
    left = tl.load(target + row * candidates + n, mask=inside, other=0.0)
    diagonal = tl.load(own + n * candidates + n, mask=inside, other=0.0)
    novelty = tl.where(diagonal > 0.5, diagonal, 0.0)
    for step in range(0, terms):
        score = tl.where(novelty >= dependent, tl.abs(left), 0.0)
        live, chosen = tl.max(score, 0) > faint, tl.argmax(score, 0)
        here = n == chosen
        new = tl.load(own + chosen.to(tl.int64) * candidates + n, mask=inside, other=0.0)
        for before in range(0, step):
            seen = tl.load(mine + before * candidates + n, mask=inside, other=0.0)
            new -= tl.sum(tl.where(here, seen, 0.0), 0) * seen
        norm = tl.sqrt(tl.where(live, tl.sum(tl.where(here, novelty, 0.0), 0), 1.0))
        new = tl.where(live, new / norm, 0.0)
        tl.store(mine + step * candidates + n, new, mask=inside)
        tl.debug_barrier()  # the steps that follow read it
        left -= tl.sum(tl.where(here, left, 0.0), 0) / norm * new
        novelty -= new * new
        tl.store(index + row * terms + step, tl.where(live, chosen, -1))
