"""Greedy choice of the maps that together explain most of the other maps, from their correlations."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.kernels import choice_kernels, row_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.reconstruction import combine_rows, inner_products, products
from explainsal.functional.weighted import scale_rows

_PIXELS = 2**22  # pixels of all maps of a layer, standardized at a time on a CPU
_ACCELERATOR_PIXELS = 2**25
_IN_CACHE, _LEAST_COLUMNS = 2**18, 1024  # numbers that compiled loops standardize at a time; fewest columns
_COPY = 1e-4  # a map counts as a copy when the chosen ones explain all but this share of its variance
_CANCELLED = 1e-4  # largest relative error of a map's variance that is computed from its terms
_TIE = 1e-6  # merits with a smaller relative difference are equal, so that rounding does not decide


def covering(gram: Tensor, cross: Tensor, count: int) -> Tensor:
    """Choose maps one after the other; each explains most of the variance that the earlier ones left unexplained.

    Args:
        gram: Shape ``(B, A, A)``: covariances of the reconstructions, in any units.
        cross: Shape ``(B, A, A)``: covariances of the activation maps, at unit variance, with the reconstructions.
        count: Number of maps to take.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where no unexplained variance is left.
    """
    if loops_run(gram, cross):
        return choice_kernels.covering(gram, cross, min(count, gram.shape[1]), _COPY, _TIE)
    copy, nothing, forever = _COPY * gram.diagonal(dim1=1, dim2=2), gram.new_zeros(()), gram.new_full((), torch.inf)
    gram, cross = gram.clone(), cross.clone()  # from here on without what the chosen maps explain
    chosen, taken = [], []
    for _ in range(min(count, gram.shape[1])):
        novelty, explained = gram.diagonal(dim1=1, dim2=2), cross.square().sum(1)  # (B, A) each
        share_of = torch.where(novelty > copy, explained / novelty, nothing)
        most = share_of.amax(1, keepdim=True)  # (B, 1)
        best = (share_of >= most * (1 - _TIE)).view(torch.uint8).argmax(1, keepdim=True)  # the first
        live, place = most > 0, best[..., None]
        row = gram.gather(1, place.expand(-1, -1, gram.shape[2]))  # (B, 1, A)
        column = cross.gather(2, place.expand(-1, cross.shape[1], -1))  # (B, A, 1)
        share = row / torch.where(live[..., None], row.gather(2, place), forever)
        gram.baddbmm_(row.mT, share, alpha=-1)
        cross.baddbmm_(column, share, alpha=-1)
        chosen.append(best)
        taken.append(live)
    return torch.cat(chosen, dim=1).masked_fill_(~torch.cat(taken, dim=1), -1)


def correlations(target: Tensor, maps: Tensor, pixels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Compute the correlations of maps with each other and with their targets.

    The function takes a few pixels at a time, so that no copy of a layer's maps is made. Sums over these parts are in
    double precision.

    Args:
        target: Shape ``(B, A, H, W)``.
        maps: Shape ``(B, A, H, W)``; a map with NaN has correlation 0 with all others, and so has its target.
        pixels: Weights of the pixels, shape ``(B, 1, H * W)``, mean 1; None: equal weights.

    Returns:
        Two tensors ``(B, A, A)``, float64: maps with maps, and targets (rows) with maps (columns).
    """
    if loops_run(target, maps):
        return _fast_correlations(target, maps, pixels)
    moments = [_moments(some, pixels) for some in (target, maps)]
    finite = moments[1][1].isfinite()
    x, r = target.flatten(-2), maps.flatten(-2)
    gram = torch.zeros(*maps.shape[:2], maps.shape[1], dtype=torch.float64, device=maps.device)
    cross = torch.zeros_like(gram)
    step = max(1, _pixels(maps) // (maps.shape[0] * maps.shape[1]))
    for start in range(0, x.shape[-1], step):
        one, other = (
            torch.where(finite & (std > 0), (values[..., start : start + step] - mean) / std, 0).double()
            for values, (mean, std) in zip((x, r), moments, strict=True)
        )
        if pixels is not None:
            root = pixels[..., start : start + step].double().sqrt()
            one, other = one * root, other * root
        gram += other @ other.transpose(1, 2)
        cross += one @ other.transpose(1, 2)
    return gram / x.shape[-1], cross / x.shape[-1]


def correlations_of_terms(gram: Tensor, cross: Tensor, index: Tensor, weights: Tensor) -> tuple[Tensor, Tensor] | None:
    """Compute :func:`correlations` from the inner products of the terms of the maps, without their pixels.

    Args:
        gram: Inner products of the standardized candidates, shape ``(B, N, N)``.
        cross: Inner products of the standardized targets with the candidates, shape ``(B, A, N)``.
        index: The candidates of each map, shape ``(B, A, T)``, int64; -1 marks unused terms.
        weights: Their weights, for the target at unit variance, shape ``(B, A, T)``; 0 at unused terms.

    Returns:
        The two tensors of :func:`correlations`, float64; a map without terms has correlation 0. None where terms cancel
        each other so much that rounding of the inner products would count, and on an accelerator, whose host would have
        to wait.
    """
    if gram.device.type != "cpu":
        return None
    factors = weights.double()
    spread = combine_rows(gram.double(), index, factors)  # (B, A, N)
    own = combine_rows(spread.mT, index, factors)
    variance = own.diagonal(dim1=1, dim2=2)
    if bool((factors.abs().sum(-1).square() * torch.finfo(gram.dtype).eps > _CANCELLED * variance).any()):
        return None
    inverse = torch.where(variance > 0, variance.rsqrt(), 0)
    both = combine_rows(cross.double().mT, index, factors)  # (B, maps, targets)
    return own.mul_(inverse[:, :, None]).mul_(inverse[:, None]), both.mul_(inverse[:, :, None]).mT


def _fast_correlations(target: Tensor, maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute :func:`correlations` by compiled loops, image by image."""
    found = []
    for b in range(len(maps)):
        own = None if pixels is None else pixels[b, 0].to(maps.dtype)
        pairs = [(rows, *row_kernels.mean_and_std(rows, own)) for rows in (target[b].flatten(1), maps[b].flatten(1))]
        finite, step = pairs[1][2].isfinite(), max(_LEAST_COLUMNS, _IN_CACHE // maps.shape[1])
        scales = [(rows, mean, torch.where(finite & (std > 0), 1 / std, 0)) for rows, mean, std in pairs]
        gram = torch.zeros(maps.shape[1], maps.shape[1], dtype=torch.float64)
        cross = torch.zeros_like(gram)
        for start in range(0, scales[0][0].shape[1], step):
            one, other = (row_kernels.standardized_columns(*scale, own, start, step) for scale in scales)
            gram += inner_products(other)
            cross += products(one, other)
        found.append((gram.div_(scales[0][0].shape[1]), cross.div_(scales[0][0].shape[1])))
    return torch.stack([one[0] for one in found]), torch.stack([one[1] for one in found])


def _pixels(maps: Tensor) -> int:
    return _PIXELS if maps.device.type == "cpu" else _ACCELERATOR_PIXELS


def _moments(maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Compute the mean and standard deviation of every map, ``(B, A, 1)``."""
    at_once = max(1, _pixels(maps) // maps[:, 0].numel())
    parts = [scale_rows(some.flatten(-2), pixels)[1:] for some in maps.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*parts, strict=True))
    return mean, std
