"""Weighted means, standard deviations and correlations over pixels.

Weights are non-negative, have mean 1 along the last axis and broadcast against the values.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.kernels import row_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.reconstruction import centered_scale, pearson


def scale_rows(
    values: Tensor, weights: Tensor | None = None, out: Tensor | None = None, *, rooted: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute :func:`weighted_scale` with weights, else :func:`~.reconstruction.centered_scale`."""
    return centered_scale(values, out) if weights is None else weighted_scale(values, weights, out, rooted=rooted)


def weighted_scale(
    values: Tensor, weights: Tensor, out: Tensor | None = None, *, rooted: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    r"""Standardize rows in a weighted inner product.

    With weights :math:`w_p`, the mean of a row is :math:`m = \frac 1P\sum_p w_p x_p` and its variance
    :math:`s^2 = \frac 1P\sum_p w_p (x_p - m)^2`.

    Args:
        values: Shape ``(..., P)``.
        weights: Weights that broadcast against `values`.
        out: Tensor for the standardized rows; it may be `values`.
        rooted: Whether the rows are also multiplied by :math:`\sqrt{w_p}`. Plain inner products of such rows are
            weighted ones of the standardized rows, and their mean square is 1.

    Returns:
        Rows ``(..., P)``, mean and standard deviation ``(..., 1)``. A row that is constant up to rounding becomes 0 and
        has deviation 0.

    Example:
        >>> form, mean, std = weighted_scale(torch.tensor([[0.0, 4.0, 9.0]]), torch.tensor([1.5, 1.5, 0.0]))
        >>> [round(x, 3) for x in form[0].tolist()], mean.item(), round(std.item(), 3)
        ([-1.0, 1.0, 3.5], 2.0, 2.0)
    """
    if loops_run(values, weights) and (out is None or loops_run(out)):
        return row_kernels.standardize(values, out, weights, rooted=rooted)
    length = values.shape[-1]
    rounding = 8 * torch.finfo(values.dtype).eps * torch.linalg.vector_norm(values, torch.inf, -1, keepdim=True)
    mean = (values * weights).mean(-1, keepdim=True)
    form = torch.sub(values, mean, out=out)
    root = weights.sqrt()
    heavy = torch.mul(form, root, out=out) if rooted else form * root
    std = torch.linalg.vector_norm(heavy, dim=-1, keepdim=True).div_(length**0.5)
    dead = std <= rounding
    inverse = torch.where(dead, 0, std.reciprocal())
    return (heavy if rooted else form).mul_(inverse), mean, std.masked_fill_(dead, 0)


def pair_products(first: Tensor, second: Tensor, pairs: Tensor) -> Tensor:
    """Compute the inner products ``(m,)`` of some pairs of rows.

    Args:
        first: Shape ``(A, D)``.
        second: Shape ``(N, D)``.
        pairs: A row of `first` and a row of `second`, shape ``(m, 2)``, int64.

    Example:
        >>> rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
        >>> pair_products(rows, rows, torch.tensor([[0, 1], [1, 1]])).tolist()
        [11.0, 25.0]
    """
    if loops_run(first, second):
        return row_kernels.pair_products(first, second, pairs)
    return (first[pairs[:, 0]] * second[pairs[:, 1]]).sum(-1)


def weighted_pearson(first: Tensor, second: Tensor, weights: Tensor | None) -> Tensor:
    """Compute the weighted Pearson correlation of paired maps ``(..., H, W)``: shape ``(...)``.

    The result is NaN where `first` is constant, 0 where only `second` is.

    Example:
        >>> weights = torch.tensor([1.5, 1.5, 0.0])
        >>> weighted_pearson(torch.tensor([[[0.0, 1.0, 7.0]]]), torch.tensor([[[5.0, 2.0, 9.0]]]), weights).tolist()
        [-1.0]
    """
    if weights is None:
        return pearson(first, second)
    first, second = first.flatten(-2), second.flatten(-2)
    x, _, std = weighted_scale(first, weights, rooted=True)
    value = (x * weighted_scale(second, weights, rooted=True)[0]).mean(-1).clamp_(-1, 1)
    return value.masked_fill_(std[..., 0] == 0, torch.nan)


def compare_maps(target: Tensor, maps: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Measure how well maps ``(B, A, H, W)`` reconstruct target maps.

    Args:
        target: The target maps.
        maps: The reconstructions.
        weights: Weights of the pixels, shape ``(B, 1, H * W)``, mean 1; used only in the last value.

    Returns:
        Mean absolute error, mean absolute deviation of the target, :func:`~.reconstruction.pearson` and
        :func:`weighted_pearson`, all of shape ``(B, A)``.
    """
    if loops_run(target, maps):
        per_image = [None] * len(target) if weights is None else list(weights)
        rows = zip(target.flatten(-2), maps.flatten(-2), per_image, strict=True)
        found = torch.stack([row_kernels.compare(*one) for one in rows], dim=1)  # (8, B, A)
        correlation = _correlation(*found[2:5])
        return found[0], found[1], correlation, correlation.clone() if weights is None else _correlation(*found[5:])
    deviation = (target - target.mean((-2, -1), keepdim=True)).abs().mean((-2, -1))
    away = (target - maps).abs().mean((-2, -1))
    correlation = pearson(target, maps)
    weighted = correlation.clone() if weights is None else weighted_pearson(target, maps, weights)
    return away, deviation, correlation, weighted


def _correlation(std: Tensor, other: Tensor, covariance: Tensor) -> Tensor:
    value = (covariance / (std * other)).clamp_(-1, 1)
    return value.masked_fill_(other == 0, 0).masked_fill_(std == 0, torch.nan)


def averaged_to(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps ``(B, C, H, W)``: means over areas where a side shrinks, bilinear where it grows.

    Example:
        >>> averaged_to(torch.tensor([[[[1.0, 3.0], [5.0, 7.0]]]]), (1, 2)).tolist()
        [[[[3.0, 5.0]]]]
    """
    smaller = min(maps.shape[-2], size[0]), min(maps.shape[-1], size[1])
    maps = F.adaptive_avg_pool2d(maps, smaller)
    return maps if smaller == size else F.interpolate(maps, size=size, mode="bilinear", align_corners=False)
