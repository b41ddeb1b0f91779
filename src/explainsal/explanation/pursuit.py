"""Rebuild a layer from a few candidates per map, each chosen to complete the others, and one constant."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates
from explainsal.explanation.combination import combine_candidates, in_order
from explainsal.explanation.matching import scaled_parts, signed_errors
from explainsal.explanation.options import Options
from explainsal.explanation.parts import InParts, maps_at_once
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.explanation.views import View
from explainsal.functional.coefficients import above_noise, matching_pursuit
from explainsal.functional.covering import correlations_of_terms
from explainsal.functional.greedy import inverse_error_pursuit
from explainsal.functional.reconstruction import products
from explainsal.functional.weighted import scale_rows


def pursue_layer(activations: Tensor, candidates: Candidates, options: Options, budget: int) -> Rebuilt:
    """Rebuild every activation map of a layer.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Candidates of the same images and size, standardized, and rooted if pixels have weights.
        options: Options of the explanation.
        budget: Bytes for arrays derived from the activations.

    Returns:
        The reconstructions and at most ``top_k`` terms each; a weight is that of the candidate scaled to unit
        variance, in units of the activations.
    """
    at_once, own = maps_at_once(activations, budget), candidates.pixel_weights
    forms, mean, std = _standardized(activations, candidates.pixel_weights, at_once)
    cross, gram = _inner_products(forms, candidates)
    nonnegative = options.coefficients == "nnls"
    if options.coefficients == "greedy":
        own_maps = scaled_parts(activations, candidates, options, at_once)
        errors = signed_errors(own_maps, candidates, replace(options, scales=(1,)))
        fit = inverse_error_pursuit(gram, cross, *errors, options.top_k)
    else:
        fit = matching_pursuit(gram, cross, options.top_k, nonnegative=nonnegative, ridge=options.ridge)
    if options.noise_floor > 0 and options.coefficients == "omp":
        least = options.noise_floor * chance_share(len(candidates), candidates.size[0] * candidates.size[1], own)
        fit = above_noise(fit, gram, cross, least.to(gram.device), options.ridge)
    weight = fit.weights * std
    maps = combine_candidates(candidates, fit.index, weight)
    maps = (maps if own is None else maps.div_(own.sqrt())).add_(mean)
    terms = Terms(fit.index, weight, mean[..., 0])
    known = correlations_of_terms(gram, cross, fit.index, fit.weights) if options.selection == "coverage" else None
    return Rebuilt(maps.reshape(activations.shape), activations, terms, known)


def _standardized(activations: Tensor, weights: Tensor | None, at_once: int) -> tuple[Iterable[Tensor], Tensor, Tensor]:
    """Return standardized rows ``(B, a, H * W)`` of groups of maps, with all means and deviations ``(B, A, 1)``."""

    def scale(some: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return scale_rows(some.flatten(-2), weights, rooted=True)

    if at_once >= activations.shape[1]:
        form, mean, std = scale(activations)
        return [form], mean, std
    moments = [scale(some)[1:] for some in activations.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*moments, strict=True))
    return InParts(activations, at_once, lambda some: scale(some)[0]), mean, std


def chance_share(count: int, pixels: int, weights: Tensor | None = None) -> Tensor:
    r"""Return the share of a map that the best of N noise candidates explains by chance: :math:`2 \ln N / P`.

    Args:
        count: Number N of candidates.
        pixels: Number P of pixels of a map.
        weights: Shape ``(B, 1, P)``, mean 1: weight of each pixel. P is then the number of equally weighted pixels with
            the same sum and sum of squares.

    Returns:
        Shape ``(B,)``, or a single number without weights, float64.

    Example:
        >>> round(chance_share(1000, 768).item(), 4)
        0.018
    """
    uneven = torch.ones((), dtype=torch.float64) if weights is None else weights.double().square().mean(-1)[:, 0]
    return 2 * math.log(max(count, 1)) * uneven / pixels


def _inner_products(forms: Iterable[Tensor], candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Return correlations of activations with candidates ``(B, A, N)`` and among candidates ``(B, N, N)``.

    As many chunks as fit are kept while the others are streamed; then the next ones. N candidates are thus computed
    about N / 2M times if M fit, not once per chunk.
    """
    if (views := candidates.views) is not None:
        return _multiply(forms, views)
    images, pixels = len(candidates.pools[0].maps), candidates.size[0] * candidates.size[1]
    gram = candidates.pools[0].maps.new_zeros(images, len(candidates), len(candidates))
    cross: list[tuple[Tensor, Tensor]] = []
    first = 0  # earlier chunks are combined with all others
    while first < candidates.chunk_count:
        held: list[tuple[Tensor, Tensor]] = []
        for number, (columns, block) in enumerate(candidates.chunks(first), start=first):
            other = block.flatten(-2)
            if number < first + candidates.chunks_at_once:
                held.append((columns, other))
                cross.append((columns, torch.cat([form @ other.transpose(1, 2) for form in forms], dim=1) / pixels))
            for rows, one in held:
                product = one @ other.transpose(1, 2) / pixels
                gram[:, rows[:, None], columns] = product
                gram[:, columns[:, None], rows] = product.transpose(1, 2)
        first += len(held)
    return in_order(cross), gram


def _multiply(forms: Iterable[Tensor], views: Sequence[View]) -> tuple[Tensor, Tensor]:
    """Compute :func:`_inner_products` from held candidates, reusing products of earlier layers' candidates."""
    pixels = views[0].maps.shape[-2] * views[0].maps.shape[-1]
    parts = [torch.cat([products(form, view.rows) for view in views], dim=-1) for form in forms]
    cross = (parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)).div_(pixels)
    if len(views) == 1:
        return cross, views[0].products(views[0])
    gram = cross.new_empty(len(cross), cross.shape[-1], cross.shape[-1])
    counts = [view.maps.shape[1] for view in views]
    for i, row in enumerate(gram.split(counts, dim=1)):
        for j, block in enumerate(row.split(counts, dim=2)):
            block.copy_(views[i].products(views[j]) if i <= j else views[j].products(views[i]).mT)
    return cross, gram
