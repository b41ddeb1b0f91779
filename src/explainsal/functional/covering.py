"""The choice of maps that together explain most of others, from their correlations."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional import fast
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.reconstruction import inner_products, products
from explainsal.functional.weighted import scale_rows

_PIXELS = 2**22  # of all maps of a layer, standardized at a time on a CPU
_ACCELERATOR_PIXELS = 2**25
_IN_CACHE, _LEAST_COLUMNS = 2**18, 1024  # numbers that compiled loops standardize at a time, and columns at least
_COPY = 1e-4  # a map whose variance the chosen ones explain but for this share is none of its own
_TIE = 1e-6  # maps whose merits differ by less, relatively, are equals: rounding decides nothing


def covering(gram: Tensor, cross: Tensor, count: int) -> Tensor:
    """Take maps one after the other, each the one that explains most of what those before it left.

    Args:
        gram: Shape ``(B, A, A)``: covariances of the reconstructions, in any units.
        cross: Shape ``(B, A, A)``: of the activation maps, at unit variance, with the reconstructions.
        count: How many to take.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where nothing is left to explain.
    """
    if loops_run(gram, cross):
        return fast.covering(gram, cross, min(count, gram.shape[1]), _COPY, _TIE)
    novelty, explained = gram.diagonal(dim1=1, dim2=2).clone(), cross.square().sum(1)  # (B, A) each
    copy, nothing, forever = _COPY * novelty, gram.new_zeros(()), gram.new_full((), torch.inf)
    rows = shares = gram[:, :0]  # (B, s, A): what the chosen ones explain of all; the same relative to themselves
    order = torch.arange(gram.shape[1], device=gram.device)
    columns = cross[:, :, :0]  # (B, A, s): what they explain of the activation maps
    chosen, taken = [], []
    for _ in range(min(count, gram.shape[1])):  # neither matrix is written to: each step reads one of them once
        share_of = torch.where(novelty > copy, explained / novelty, nothing)
        most = share_of.amax(1, keepdim=True)  # (B, 1)
        best = torch.where(share_of >= most * (1 - _TIE), order, len(order)).amin(1, keepdim=True)
        live, place = most > 0, best[..., None]
        known = shares.gather(2, place.expand(-1, shares.shape[1], -1))  # (B, s, 1)
        row = gram.gather(1, place.expand(-1, -1, gram.shape[2])) - known.mT @ rows  # (B, 1, A)
        column = cross.gather(2, place.expand(-1, cross.shape[1], -1)) - columns @ known  # (B, A, 1)
        share = row / torch.where(live[..., None], row.gather(2, place), forever)
        both = column.mT @ cross - (column.mT @ columns) @ shares
        lost = share * (2 * both - share * column.square().sum(1, keepdim=True))
        explained, novelty = (explained - lost[:, 0]).clamp_min(0), novelty - (row * share)[:, 0]
        rows, shares = torch.cat([rows, row], dim=1), torch.cat([shares, share], dim=1)
        columns = torch.cat([columns, column], dim=2)
        chosen.append(best)
        taken.append(live)
    return torch.cat(chosen, dim=1).masked_fill_(~torch.cat(taken, dim=1), -1)


def correlations(target: Tensor, maps: Tensor, pixels: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Correlations of maps with each other and of others with them.

    A few pixels at a time: not even one copy of a layer's maps is made. Sums over more than these are in double
    precision.

    Args:
        target: Shape ``(B, A, H, W)``.
        maps: Shape ``(B, A, H, W)``; one with NaN correlates with nothing, and neither does its target.
        pixels: Shape ``(B, 1, H * W)``, mean 1: how much each pixel counts; None: all alike.

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


def _fast_correlations(target: Tensor, maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same by compiled loops, image by image."""
    found = []
    for b in range(len(maps)):
        own = None if pixels is None else pixels[b, 0].to(maps.dtype)
        pairs = [(rows, *fast.mean_and_std(rows, own)) for rows in (target[b].flatten(1), maps[b].flatten(1))]
        finite, step = pairs[1][2].isfinite(), max(_LEAST_COLUMNS, _IN_CACHE // maps.shape[1])
        scales = [(rows, mean, torch.where(finite & (std > 0), 1 / std, 0)) for rows, mean, std in pairs]
        gram = torch.zeros(maps.shape[1], maps.shape[1], dtype=torch.float64)
        cross = torch.zeros_like(gram)
        for start in range(0, scales[0][0].shape[1], step):
            one, other = (fast.standardized_columns(*scale, own, start, step) for scale in scales)
            gram += inner_products(other)
            cross += products(one, other)
        found.append((gram.div_(scales[0][0].shape[1]), cross.div_(scales[0][0].shape[1])))
    return torch.stack([one[0] for one in found]), torch.stack([one[1] for one in found])


def _pixels(maps: Tensor) -> int:
    return _PIXELS if maps.device.type == "cpu" else _ACCELERATOR_PIXELS


def _moments(maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every map, ``(B, A, 1)``."""
    at_once = max(1, _pixels(maps) // maps[:, 0].numel())
    parts = [scale_rows(some.flatten(-2), pixels)[1:] for some in maps.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*parts, strict=True))
    return mean, std
