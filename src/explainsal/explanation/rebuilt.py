"""What rebuilding a layer yields, and how well it did."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.functional.reconstruction import least
from explainsal.functional.weighted import compare_maps, scale_rows

_PIXELS = 2**22  # of all maps of a layer, standardised at a time on a CPU
_ACCELERATOR_PIXELS = 2**25
_COPY = 1e-4  # a map whose variance the chosen ones explain but for this share is none of its own
_TIE = 1e-6  # maps whose merits differ by less, relatively, are equals: rounding decides nothing


@dataclass(frozen=True, eq=False)
class Terms:
    """The terms of every reconstruction.

    Args:
        index: Shape ``(B, A, T)``, int64: position of the candidate; -1 fills unused terms.
        weights: Shape ``(B, A, T)``; 0 at unused terms.
        constant: Shape ``(B, A)``; None where there is none.
    """

    index: Tensor
    weights: Tensor
    constant: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """A layer's reconstructions.

    Args:
        maps: Shape ``(B, A, H, W)``.
        target: What they are compared with, in the same units: the activations, or scaled activations.
        terms: Their make-up.
    """

    maps: Tensor
    target: Tensor
    terms: Terms


@dataclass(frozen=True, eq=False)
class Fit:
    """How well each map is rebuilt; all of shape ``(B, A)``.

    Args:
        mae: Mean absolute error (second unnumbered equation of Section II-B3).
        relative_mae: The same relative to the map's mean absolute deviation; infinite for a constant map.
        correlation: Pearson's; NaN for a constant map, 0 for a constant reconstruction of another.
        weighted_correlation: The same with the weights of the pixels that the map was rebuilt with.
    """

    mae: Tensor
    relative_mae: Tensor
    correlation: Tensor
    weighted_correlation: Tensor


def measure_fit(target: Tensor, maps: Tensor, at_once: int | None = None, pixel_weights: Tensor | None = None) -> Fit:
    """Compare reconstructions with what they should be, both ``(B, A, H, W)``, so many maps at a time.

    The weights ``(B, 1, H * W)`` of the pixels count in the weighted correlation alone.
    """
    pairs = zip(*(some.split(at_once or target.shape[1], dim=1) for some in (target, maps)), strict=True)
    fits = [_measure_fit(one, other, pixel_weights) for one, other in pairs]
    return fits[0] if len(fits) == 1 else Fit(*(torch.cat(one, dim=1) for one in zip(*map(_fields, fits), strict=True)))


def _fields(fit: Fit) -> tuple[Tensor, ...]:
    return fit.mae, fit.relative_mae, fit.correlation, fit.weighted_correlation


def _measure_fit(target: Tensor, maps: Tensor, pixel_weights: Tensor | None) -> Fit:
    mae, deviation, correlation, weighted = compare_maps(target, maps, pixel_weights)
    relative = torch.where(correlation.isnan(), torch.inf, mae / deviation)
    return Fit(mae, relative, correlation, weighted)


def best_maps(rebuilt: Rebuilt, fit: Fit, selection: str, count: int, pixel_weights: Tensor | None = None) -> Tensor:
    """The maps of the next pool, best first: shape ``(B, min(count, A))``, int64; -1 where none is left to take.

    Ties go to the lower position. A map whose criterion is undefined (infinite or NaN) is never taken.
    """
    if selection == "coverage":
        return covering_maps(rebuilt.target, rebuilt.maps, count, pixel_weights)
    scores = {"mae": fit.mae, "relative_mae": fit.relative_mae, "correlation": -fit.weighted_correlation}
    score = scores[selection]
    values, index = least(score, count)
    return torch.where(values.isfinite(), index, -1)


def covering_maps(target: Tensor, maps: Tensor, count: int, pixel_weights: Tensor | None = None) -> Tensor:
    """The reconstructions that together explain most of a layer, one after the other.

    Each step takes the reconstruction that explains most of the variance that those before it left, summed over all
    activation maps of the layer at unit variance each. Well rebuilt maps that all show the same count once.

    Args:
        target: Shape ``(B, A, H, W)``: the activations.
        maps: Shape ``(B, A, H, W)``: their reconstructions.
        count: How many to take.
        pixel_weights: Shape ``(B, 1, H * W)``, mean 1: how much each pixel counts; None: all alike.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where nothing is left to explain.
    """
    return covering(*_inner_products(target, maps, pixel_weights), count)


def covering(gram: Tensor, cross: Tensor, count: int) -> Tensor:
    """The choice of :func:`covering_maps`, from moments alone.

    Args:
        gram: Shape ``(B, A, A)``: covariances of the reconstructions, in any units.
        cross: Shape ``(B, A, A)``: of the activation maps, at unit variance, with the reconstructions.
        count: How many to take.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where nothing is left to explain.
    """
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


def _inner_products(target: Tensor, maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Correlations of the reconstructions with each other and of the activations with them, both ``(B, A, A)``.

    In double precision and a few pixels at a time: not even one copy of a layer's maps is made.
    """
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


def _pixels(maps: Tensor) -> int:
    return _PIXELS if maps.device.type == "cpu" else _ACCELERATOR_PIXELS


def _moments(maps: Tensor, pixels: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every map, ``(B, A, 1)``."""
    at_once = max(1, _pixels(maps) // maps[:, 0].numel())
    parts = [scale_rows(some.flatten(-2), pixels)[1:] for some in maps.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*parts, strict=True))
    return mean, std
