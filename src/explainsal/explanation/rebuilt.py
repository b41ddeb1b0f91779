"""Reconstructions of a layer, their fidelity, and the selection of the next pool."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.functional.covering import correlations, covering
from explainsal.functional.reconstruction import least
from explainsal.functional.weighted import compare_maps


@dataclass(frozen=True, eq=False)
class Terms:
    """Terms of every reconstruction.

    Args:
        index: Shape ``(B, A, T)``, int64: position of the candidate; -1 fills unused terms.
        weights: Shape ``(B, A, T)``; 0 for unused terms.
        constant: Shape ``(B, A)``; None if the method has no constants.
    """

    index: Tensor
    weights: Tensor
    constant: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """Reconstructions of a layer.

    Args:
        maps: Shape ``(B, A, H, W)``.
        target: Their targets in the same units: the activations, or scaled activations.
        terms: Terms of the reconstructions.
        correlations: Correlations of the reconstructions with each other and with their targets, if they are known: see
            :func:`~explainsal.functional.covering.correlations`.
    """

    maps: Tensor
    target: Tensor
    terms: Terms
    correlations: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True, eq=False)
class Fit:
    """Fidelity of each map; all of shape ``(B, A)``.

    Args:
        mae: Mean absolute error (second unnumbered equation of Section II-B3).
        relative_mae: The same relative to the map's mean absolute deviation; infinite for a constant map.
        correlation: Pearson's correlation; NaN for a constant map, 0 if only the reconstruction is constant.
        weighted_correlation: The same with the pixel weights of the reconstruction.
    """

    mae: Tensor
    relative_mae: Tensor
    correlation: Tensor
    weighted_correlation: Tensor


def measure_fit(target: Tensor, maps: Tensor, at_once: int | None = None, pixel_weights: Tensor | None = None) -> Fit:
    """Compare reconstructions with their targets, both ``(B, A, H, W)``, in groups of maps.

    Only the weighted correlation uses the pixel weights ``(B, 1, H * W)``.
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
    """Return the maps of the next pool, best first: shape ``(B, min(count, A))``, int64; -1 for empty places.

    Ties go to the lower position. A map with an undefined criterion (infinite or NaN) is never selected.
    """
    if selection == "coverage":
        known = rebuilt.correlations
        return covering_maps(rebuilt.target, rebuilt.maps, count, pixel_weights, map_weights, known)
    scores = {"mae": fit.mae, "relative_mae": fit.relative_mae, "correlation": -fit.weighted_correlation}
    score = scores[selection]
    values, index = least(score, count)
    return torch.where(values.isfinite(), index, -1)


def covering_maps(
    target: Tensor, maps: Tensor, count: int, pixel_weights: Tensor | None = None, map_weights: Tensor | None = None,
    known: tuple[Tensor, Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """Select the reconstructions that together explain most of a layer, one after the other.

    Each step selects the reconstruction that explains most of the remaining variance, summed over all activation maps
    of the layer at unit variance times their weights. Well rebuilt maps with the same content thus count once.

    Args:
        target: Shape ``(B, A, H, W)``: the activations.
        maps: Shape ``(B, A, H, W)``: their reconstructions.
        count: Number of maps to select.
        pixel_weights: Shape ``(B, 1, H * W)``, mean 1: weight of each pixel; None: equal weights.
        map_weights: Shape ``(B, A)``: weight of each activation map; None: equal weights.
        known: Correlations of the maps with each other and with their targets, if they are known.

    Returns:
        Shape ``(B, min(count, A))``, int64; -1 where nothing is left to explain.
    """
    gram, cross = correlations(target, maps, pixel_weights) if known is None else known
    return covering(gram, cross if map_weights is None else cross * map_weights.sqrt()[:, :, None].to(cross), count)
