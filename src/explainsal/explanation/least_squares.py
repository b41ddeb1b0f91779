"""Compute least-squares weights of candidates that were selected by another criterion."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates
from explainsal.explanation.options import Options
from explainsal.explanation.parts import maps_at_once
from explainsal.explanation.scaling import scaled
from explainsal.functional.weighted import scale_rows

_LEAST_RIDGE = 1e-6  # keeps the system solvable with equal or constant candidates


def least_squares_weights(
    activations: Tensor, candidates: Candidates, index: Tensor, options: Options, budget: int
) -> Tensor:
    """Fit every activation map to its selected candidates by regularized least squares, scale by scale.

    Maps and candidates are centered; `options.ridge` is in units of a candidate's variance.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Candidates of the same images and size.
        index: Shape ``(B, A, S, T)``: the candidates of each map and scale; -1 for unused terms.
        options: Options; ``scaling`` and ``ridge`` are used.
        budget: Bytes for the selected candidates, which limits the maps per step.

    Returns:
        Shape ``(B, A, S, T)``: weights of the candidates, for the activation map as scaled for matching.
    """
    weights = activations.new_zeros(index.shape)
    terms, pixels = index.shape[2] * index.shape[3], candidates.pixel_weights
    wide = None if pixels is None else pixels[:, None, None]
    at_once = maps_at_once(activations, budget, arrays=4 * terms)
    for a in range(0, activations.shape[1], at_once):
        some = index[:, a : a + at_once]
        own = scaled(activations[:, a : a + at_once], options.scaling, pixel_weights=pixels)
        target, _, unit = scale_rows(own.flatten(-2), pixels, rooted=True)
        chosen, _, units = scale_rows(_chosen(candidates, some), wide, rooted=True)  # (B, a, S, T, H * W)
        fitted = _fitted(chosen, target[:, :, None], options.ridge)
        weights[:, a : a + at_once] = torch.where(units > 0, unit[:, :, None, None] * fitted / units, 0)[..., 0]
    return weights


def _chosen(candidates: Candidates, index: Tensor) -> Tensor:
    """Return the selected maps ``(..., H * W)``; zeros for index -1."""
    chosen = candidates.pools[0].maps.new_zeros(*index.shape, candidates.size[0] * candidates.size[1])
    for position, maps in candidates.chunks():
        place = torch.full((len(candidates) + 1,), -1, device=index.device)  # the last entry is for index -1
        place[position] = torch.arange(len(position), device=index.device)
        for own, here, found in zip(chosen, place[index], maps.flatten(-2), strict=True):
            own[here >= 0] = found[here[here >= 0]]
    return chosen


def _fitted(chosen: Tensor, target: Tensor, ridge: float) -> Tensor:
    """Return weights ``(..., T, 1)`` of standardized rows ``(..., T, P)`` for standardized targets ``(..., P)``."""
    pixels = target.shape[-1]
    gram = (chosen @ chosen.transpose(-1, -2) / pixels).double()
    cross = (chosen @ target[..., None] / pixels).double()
    gram.diagonal(dim1=-2, dim2=-1).add_(max(ridge, _LEAST_RIDGE))
    solution: Tensor = torch.linalg.solve_ex(gram, cross)[0]
    return solution.to(target.dtype)
