"""What rebuilding a layer yields, and how well it did."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.functional.covering import correlations, covering
from explainsal.functional.reconstruction import least
from explainsal.functional.weighted import compare_maps


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


def best_maps(
    rebuilt: Rebuilt, fit: Fit, selection: str, count: int,
    pixel_weights: Tensor | None = None, map_weights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The maps of the next pool, best first: shape ``(B, min(count, A))``, int64; -1 where none is left to take.

    Ties go to the lower position. A map whose criterion is undefined (infinite or NaN) is never taken.
    """
    if selection == "coverage":
        return covering_maps(rebuilt.target, rebuilt.maps, count, pixel_weights, map_weights)
    scores = {"mae": fit.mae, "relative_mae": fit.relative_mae, "correlation": -fit.weighted_correlation}
    score = scores[selection]
    values, index = least(score, count)
    return torch.where(values.isfinite(), index, -1)


def covering_maps(
    target: Tensor, maps: Tensor, count: int, pixel_weights: Tensor | None = None, map_weights: Tensor | None = None
) -> Tensor:
    """The reconstructions that together explain most of a layer, one after the other.

    Each step takes the reconstruction that explains most of the variance that those before it left, summed over all
    activation maps of the layer, each at unit variance times its weight. Well rebuilt maps that all show the same count
    once.

    Args:
        target: Shape ``(B, A, H, W)``: the activations.
        maps: Shape ``(B, A, H, W)``: their reconstructions.
        count: How many to take.
        pixel_weights: Shape ``(B, 1, H * W)``, mean 1: how much each pixel counts; None: all alike.
        map_weights: Shape ``(B, A)``: the same of each activation map.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where nothing is left to explain.
    """
    gram, cross = correlations(target, maps, pixel_weights)
    return covering(gram, cross if map_weights is None else cross * map_weights.sqrt()[:, :, None].to(cross), count)
