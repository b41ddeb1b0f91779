"""Reconstruction of maps from candidates: matching, fusion over scales, comparison (Section II-B, Eq. 2 to 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.kernels import block_kernels, choice_kernels, map_kernels, row_kernels
from explainsal.functional.kernels.dispatch import loops_run, share, shares
from explainsal.functional.resize import keeps_whole, there_and_back

Fusion = Literal["root_sum_squares", "mean"]

# Numbers per tile of `pairwise_mae` on a CPU: two float32 tiles of 256 KiB stay in the second-level cache.
_TILE = 2**16
_LEAST_ROWS, _BANDS = 128, 6  # rows and number of bands of inner products: smaller bands cost more than they save


def pairwise_mae(first: Tensor, second: Tensor, negative: Tensor | None = None, flipped: int = 0) -> Tensor:
    """Compute the mean absolute error between all pairs of rows (Eq. 2 on the flattened block variances).

    Args:
        first: Shape ``(..., A, D)``, e.g. the block variances of A activation maps.
        second: Shape ``(..., N, D)``, e.g. those of N candidates.
        negative: Mask of the pairs for which the sign of `first` is reversed, shape ``(..., A, N)``, bool.
        flipped: How many leading numbers of a row of `first` change sign for these pairs.

    Returns:
        Shape ``(..., A, N)``.

    Example:
        >>> pairwise_mae(torch.tensor([[0.0, 2.0]]), torch.tensor([[0.0, 0.0], [1.0, 0.0]])).tolist()
        [[1.0, 1.5]]
    """
    length = first.shape[-1]
    if negative is not None:
        opposite = torch.cat([-first[..., :flipped], first[..., flipped:]], dim=-1)
        return torch.where(negative, pairwise_mae(opposite, second), pairwise_mae(first, second))
    if first.device.type != "cpu":
        return torch.cdist(first, second, p=1.0).div_(length)
    if loops_run(first, second) and first.shape[:-2].numel() == 1:
        only = block_kernels.absolute_differences(first.flatten(0, -2), second.flatten(0, -2)).div_(length)
        return only.reshape(*first.shape[:-1], second.shape[-2])
    total = first.new_zeros(*first.shape[:-1], second.shape[-2])
    pairs = zip(*(t.reshape(-1, *t.shape[-2:]) for t in (first, second, total)), strict=True)
    for mine, others, sums in pairs:
        if loops_run(mine, others):
            sums.copy_(block_kernels.absolute_differences(mine, others))
            continue
        _add_absolute_differences(mine, others, sums)
    return total.div_(length)


def _add_absolute_differences(first: Tensor, second: Tensor, total: Tensor) -> None:
    """Add the L1 distances between rows ``(A, D)`` and ``(N, D)`` to `total` (A, N), tile by tile."""
    width = max(64, _TILE // len(second))
    for start in range(0, first.shape[1], width):
        tile = second[:, start : start + width].contiguous()
        difference = torch.empty_like(tile)
        for row, sums in zip(first[:, start : start + width], total, strict=True):
            sums += torch.sub(tile, row, out=difference).abs_().sum(-1)


def inner_products(rows: Tensor) -> Tensor:
    """Compute the inner products of all pairs of rows ``(..., N, D)``: ``(..., N, N)``, using their symmetry.

    Example:
        >>> inner_products(torch.tensor([[1.0, 2.0], [0.0, 3.0]])).tolist()
        [[5.0, 6.0], [6.0, 9.0]]
    """
    count = rows.shape[-2]
    step = max(_LEAST_ROWS, -(-count // _BANDS))
    if count <= step:
        return products(rows, rows)
    out = rows.new_empty(*rows.shape[:-1], count)

    def work(number: int) -> None:
        start, stop = number * step, min((number + 1) * step, count)
        band = rows[..., start:stop, :] @ rows[..., start:, :].mT
        out[..., start:stop, start:] = band
        out[..., stop:, start:stop] = band[..., stop - start :].mT

    _share(work, -(-count // step), rows)
    return out


def products(first: Tensor, second: Tensor) -> Tensor:
    """Compute the inner products of all pairs of rows ``(..., A, D)`` and ``(..., N, D)``: ``(..., A, N)``.

    Example:
        >>> products(torch.tensor([[1.0, 2.0]]), torch.tensor([[0.0, 3.0], [1.0, 1.0]])).tolist()
        [[6.0, 3.0]]
    """
    runs, count = shares() if loops_run(first, second) else 1, second.shape[-2]
    step = -(-count // runs)
    if runs == 1 or step < _LEAST_ROWS:
        return first @ second.mT
    out = first.new_empty(*first.shape[:-1], count)

    def work(number: int) -> None:
        some = slice(number * step, (number + 1) * step)
        out[..., some] = first @ second[..., some, :].mT

    _share(work, -(-count // step), first)
    return out


def _share(work: Callable[[int], None], count: int, rows: Tensor) -> None:
    """Do pieces of work one after the other, or on several threads of a CPU."""
    if loops_run(rows):
        share(work, count)
    else:
        for number in range(count):
            work(number)


def least(values: Tensor, count: int, index: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Find the least values of every row in ascending order; equal values keep the order of their positions.

    Args:
        values: Shape ``(..., N)``; NaN counts as larger than everything.
        count: Number of values; all N where there are fewer.
        index: Values to return in place of the positions, shape ``(..., N)``.

    Returns:
        Values and positions (or their `index`), both ``(..., min(count, N))``.

    Example:
        >>> least(torch.tensor([3.0, 1.0, 2.0, 1.0]), 2)
        (tensor([1., 1.]), tensor([1, 3]))
    """
    if loops_run(values) and count < values.shape[-1]:
        rows = choice_kernels.least(values.reshape(-1, values.shape[-1]), count)
        ordered, position = (one.reshape(*values.shape[:-1], count) for one in rows)
    else:
        ordered, position = values.sort(dim=-1, stable=True)
        ordered, position = ordered[..., :count], position[..., :count]
    return ordered, position if index is None else index.gather(-1, position)


def combine_rows(rows: Tensor, index: Tensor, weights: Tensor) -> Tensor:
    """Compute linear combinations of a few rows each (Eq. 3).

    Args:
        rows: Shape ``(B, N, D)``.
        index: Positions of the rows, shape ``(B, R, T)``, int64; -1 marks unused terms.
        weights: Shape ``(B, R, T)``; 0 at unused terms.

    Returns:
        Shape ``(B, R, D)``.

    Example:
        >>> rows, index = torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[[1, 0], [0, -1]]])
        >>> combine_rows(rows, index, torch.tensor([[[2.0, 1.0], [0.5, 0.0]]])).tolist()
        [[[7.0, 10.0], [0.5, 1.0]]]
    """
    total = rows.new_zeros(*index.shape[:2], rows.shape[-1])
    add_combinations(total, rows, index, weights)
    return total


def add_combinations(total: Tensor, rows: Tensor, index: Tensor, weights: Tensor) -> None:
    """Add linear combinations of a few rows each to `total` ``(B, R, D)``: see :func:`combine_rows`."""
    if loops_run(rows, weights):
        for sums, one, place, factors in zip(total, rows.contiguous(), index, weights, strict=True):
            map_kernels.add_combinations(sums, one, place, factors)
        return
    used = torch.where(index >= 0, weights, 0)
    matrix = weights.new_zeros(*index.shape[:2], rows.shape[1]).scatter_add_(-1, index.clamp_min(0), used)
    total.baddbmm_(matrix, rows)


def fuse_scales(maps: Tensor, scales: tuple[float, ...], fusion: Fusion = "root_sum_squares") -> Tensor:
    """Fuse the reconstructions of one map at several scales: the root of the sum of their squares (Eq. 4).

    Resizing is linear, so the combination at a scale is made at the original size and resized to that scale and back.

    Args:
        maps: Combinations of candidates per scale, at the original size, shape ``(..., S, H, W)``.
        scales: The S relative scales.
        fusion: ``"root_sum_squares"`` is the paper's and removes the sign; ``"mean"`` keeps it.

    Returns:
        Shape ``(..., H, W)``.

    Raises:
        ValueError: If `fusion` is unknown.

    Example:
        >>> fuse_scales(torch.tensor([[[3.0]], [[4.0]]]), (1, 2)).tolist()
        [[5.0]]
    """
    if fusion not in ("root_sum_squares", "mean"):
        raise ValueError(f"fusion must be 'root_sum_squares' or 'mean', got {fusion!r}")
    size = (int(maps.shape[-2]), int(maps.shape[-1]))
    total = maps.new_zeros(*maps.shape[:-3], *size)
    looped, rows = loops_run(maps) and maps.is_contiguous(), maps.reshape(-1, *maps.shape[-3:])
    for s, scale in enumerate(scales):
        if looped and scale in (4, 2, 1, 0.5, 0.25) and keeps_whole(size, scale):
            map_kernels.add_there_and_back(total.reshape(-1, *size), rows[:, s], scale, squared=fusion != "mean")
            continue
        one = there_and_back(maps[..., s, :, :], scale)
        total.add_(one) if fusion == "mean" else total.addcmul_(one, one)
    return total.div_(len(scales)) if fusion == "mean" else total.sqrt_()


def pearson(first: Tensor, second: Tensor) -> Tensor:
    """Compute the Pearson correlation over the pixels of paired maps.

    Args:
        first: Shape ``(..., H, W)``, e.g. activations.
        second: Shape ``(..., H, W)``, e.g. their reconstructions.

    Returns:
        Shape ``(...)``: NaN where `first` is constant (no variance to fit), 0 where only `second` is.

    Example:
        >>> pearson(torch.tensor([[0.0, 1.0]]), torch.tensor([[5.0, 2.0]])).item()
        -1.0
    """
    x, _, std = centered_scale(first.flatten(-2))
    value = (x * standardize(second.flatten(-2))).mean(-1).clamp(-1, 1)
    return value.masked_fill_(std[..., 0] == 0, torch.nan)


def standardize(values: Tensor) -> Tensor:
    """Standardise to mean 0 and population variance 1 along the last axis; constant rows (up to rounding) become 0.

    Example:
        >>> standardize(torch.tensor([[1.0, 3.0], [2.0, 2.0]])).tolist()
        [[-1.0, 1.0], [0.0, 0.0]]
    """
    return centered_scale(values)[0]


def centered_scale(values: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
    """Standardise rows and return their means and standard deviations.

    Args:
        values: Shape ``(..., D)``.
        out: Tensor for the standardised rows; it may be `values`.

    Returns:
        ``(values - mean) / std`` of shape ``(..., D)``, the mean and the std, both ``(..., 1)``. The std of a row that
        is constant up to rounding, i.e. below 8 units in the last place of its largest magnitude, is 0.
    """
    if loops_run(values, values if out is None else out):
        return row_kernels.standardize(values, out)
    if values.device.type != "cpu":
        return _centered_scale_elsewhere(values, out)
    mean = values.mean(-1, keepdim=True)
    centered = values - mean
    std = centered.square().mean(-1, keepdim=True).sqrt()
    rounding = 8 * torch.finfo(values.dtype).eps * values.abs().amax(-1, keepdim=True)
    dead = std <= rounding
    std = torch.where(dead, 0, std)
    form = torch.where(dead, 0, centered / std)
    return form if out is None else out.copy_(form), mean, std


def _centered_scale_elsewhere(values: Tensor, out: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Compute :func:`centered_scale` in four passes over memory instead of fourteen, for an accelerator."""
    variance, mean = torch.var_mean(values, -1, correction=0, keepdim=True)
    std = variance.sqrt_()
    dead = std <= torch.linalg.vector_norm(values, torch.inf, -1, keepdim=True).mul_(8 * torch.finfo(values.dtype).eps)
    inverse = std.reciprocal().masked_fill_(dead, 0)
    form = torch.addcmul((mean * inverse).neg_(), values, inverse, out=out)
    return form, mean, std.masked_fill_(dead, 0)
