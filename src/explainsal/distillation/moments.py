"""Sufficient statistics of a shared fit: sums over all pixels of all images, for any number of images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.distillation.stage import StageTerms
from explainsal.explanation.pools import CandidateTable
from explainsal.functional.coefficients import matching_pursuit
from explainsal.functional.covering import covering

_DEAD = 1e-6  # a standard deviation below this share of the largest one counts as constant


@dataclass(frozen=True, eq=False)
class SharedFit:
    """Fit of a layer's maps from candidates, with the same coefficients for all images.

    Args:
        index: Shape ``(A, T)``, int64: positions of the candidates, -1 at unused terms.
        weight: Shape ``(A, T)``, weights of the candidates in their original scale.
        constant: Shape ``(A,)``, constant terms.
        explained: Shape ``(A,)``: share of the variance over all training pixels; NaN for constant (dead) maps.
        kept: Indices of the maps that together explain most of the layer, best first.
    """

    index: Tensor
    weight: Tensor
    constant: Tensor
    explained: Tensor
    kept: tuple[int, ...]


class Moments:
    """First and second moments of N candidates and A activation maps, accumulated in float64.

    Args:
        candidates: Number N of candidates.
        maps: Number A of activation maps.
    """

    def __init__(self, candidates: int, maps: int, device: torch.device | str = "cpu") -> None:
        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float64, device=device)

        self.pixels = 0
        self.candidate_sum, self.map_sum, self.map_squares = zeros(candidates), zeros(maps), zeros(maps)
        self.gram, self.cross = zeros(candidates, candidates), zeros(maps, candidates)
        self.lowest = torch.full((maps,), torch.inf, dtype=torch.float64, device=device)

    def add(self, candidates: Tensor, maps: Tensor) -> None:
        """Add the pixels of a batch to the sums.

        Args:
            candidates: Shape ``(B, N, h, w)``.
            maps: Shape ``(B, A, h, w)``.
        """
        for c, x in zip(candidates.flatten(2).double(), maps.flatten(2).double(), strict=True):
            self.pixels += c.shape[1]
            self.candidate_sum += c.sum(1)
            self.map_sum += x.sum(1)
            self.map_squares += x.square().sum(1)
            self.gram += c @ c.T
            self.cross += x @ c.T
            self.lowest = torch.minimum(self.lowest, x.amin(1))

    @property
    def spread(self) -> Tensor:
        """Standard deviation of each candidate; 0 if it is constant."""
        mean = self.candidate_sum / self.pixels
        return _as_spread(self.gram.diagonal() / self.pixels - mean.square(), mean)

    @property
    def scale(self) -> Tensor:
        """Standard deviation of each activation map; 0 if it is constant."""
        mean = self.map_sum / self.pixels
        return _as_spread(self.map_squares / self.pixels - mean.square(), mean)

    def fit(self, terms: int, pool_size: int, *, nonnegative: bool = False) -> SharedFit:
        """Fit up to `terms` coefficients and a constant per map by matching pursuit; keep the `pool_size` best maps."""
        mean_c, mean_x = self.candidate_sum / self.pixels, self.map_sum / self.pixels
        inverse, scale = _inverse(self.spread), self.scale
        gram = (self.gram / self.pixels - torch.outer(mean_c, mean_c)) * inverse[:, None] * inverse
        cross = (self.cross / self.pixels - torch.outer(mean_x, mean_c)) * inverse * _inverse(scale)[:, None]
        fit = matching_pursuit(gram, cross, terms, nonnegative=nonnegative)
        chosen = fit.index.clamp_min(0)
        matrix = torch.zeros_like(cross).scatter_add_(1, chosen, fit.weights)
        weight = fit.weights * inverse[chosen] * scale[:, None]
        explained = torch.where(scale > 0, (matrix * cross).sum(1).clamp(0, 1), torch.nan)
        chosen_maps = covering((matrix @ gram @ matrix.T)[None], (cross @ matrix.T)[None], pool_size)[0]
        kept = tuple(chosen_maps[chosen_maps >= 0].tolist())
        return SharedFit(fit.index, weight, mean_x - (weight * mean_c[chosen]).sum(1), explained, kept)

    def terms(self, fit: SharedFit, table: CandidateTable) -> StageTerms:
        """Return the terms of the kept maps, given the table of the N candidates."""
        kept = torch.tensor(fit.kept, dtype=torch.int64, device=fit.index.device)
        index = fit.index[kept]
        used, chosen = index >= 0, index.clamp_min(0)

        def named(values: Tensor, unused: int) -> Tensor:
            return torch.where(used, values[chosen], unused)

        return StageTerms(
            named(table.source, -1), named(table.place, 0), named(table.filter, -1), fit.weight[kept].float(),
            fit.constant[kept].float(), named(self.spread, 0).float(), self.scale[kept].float(),
            self.lowest[kept].float(),
        )  # fmt: skip


def _as_spread(variance: Tensor, mean: Tensor) -> Tensor:
    spread = variance.clamp_min(0).sqrt()
    largest = spread.max() if len(spread) else 0.0
    rounding = 1e-7 * mean.abs()  # the maps are float32
    return torch.where((spread > _DEAD * largest) & (spread > rounding), spread, 0)


def _inverse(spread: Tensor) -> Tensor:
    return torch.where(spread > 0, 1 / spread, 0)
