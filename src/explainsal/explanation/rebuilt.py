"""What rebuilding a layer yields, and how well it did."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.functional.reconstruction import least, pearson


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
    """

    mae: Tensor
    relative_mae: Tensor
    correlation: Tensor


def measure_fit(target: Tensor, maps: Tensor) -> Fit:
    """Compare reconstructions with what they should be, both ``(B, A, H, W)``."""
    mae = (target - maps).abs().mean((-2, -1))
    deviation = (target - target.mean((-2, -1), keepdim=True)).abs().mean((-2, -1))
    correlation = pearson(target, maps)
    relative = torch.where(correlation.isnan(), torch.inf, mae / deviation)
    return Fit(mae, relative, correlation)


def best_maps(fit: Fit, selection: str, count: int) -> Tensor:
    """The maps of the next pool, best first: shape ``(B, min(count, A))``, int64; -1 where none is left to take.

    Ties go to the lower position. A map whose criterion is undefined (infinite or NaN) is never taken.
    """
    score = {"mae": fit.mae, "relative_mae": fit.relative_mae, "correlation": -fit.correlation}[selection]
    values, index = least(score, count)
    return torch.where(values.isfinite(), index, -1)
