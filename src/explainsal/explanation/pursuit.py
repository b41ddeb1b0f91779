"""Rebuilding a layer by sparse least squares: a few candidates and one constant per activation map."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, combine_candidates, in_order
from explainsal.explanation.options import Options
from explainsal.explanation.parts import InParts, maps_at_once
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional.coefficients import covariances, matching_pursuit
from explainsal.functional.reconstruction import inner_products
from explainsal.functional.weighted import scale_rows


def pursue_layer(activations: Tensor, candidates: Candidates, options: Options, budget: int) -> Rebuilt:
    """Rebuild every activation map of a layer.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Of the same images and size, standardized, and rooted where pixels have weights.
        options: How.
        budget: Bytes for what is made of the activations.

    Returns:
        The reconstructions and at most ``top_k`` terms each; a weight is that of the candidate scaled to unit
        variance, in units of the activations.
    """
    at_once, own = maps_at_once(activations, budget), candidates.pixel_weights
    forms, mean, std = _standardized(activations, candidates.pixel_weights, at_once)
    cross, gram = _inner_products(forms, candidates)
    nonnegative = options.coefficients == "nnls"
    fit = matching_pursuit(gram, cross, options.top_k, nonnegative=nonnegative, ridge=options.ridge)
    weight = fit.weights * std
    maps = combine_candidates(candidates, fit.index, weight)
    maps = (maps if own is None else maps.div_(own.sqrt())).add_(mean)
    terms = Terms(fit.index, weight, mean[..., 0])
    return Rebuilt(maps.reshape(activations.shape), activations, terms, covariances(gram, cross, fit))


def _standardized(activations: Tensor, weights: Tensor | None, at_once: int) -> tuple[Iterable[Tensor], Tensor, Tensor]:
    """Standardized rows ``(B, a, H * W)`` of so many maps at a time, with all means and deviations ``(B, A, 1)``."""

    def scale(some: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return scale_rows(some.flatten(-2), weights, rooted=True)

    if at_once >= activations.shape[1]:
        form, mean, std = scale(activations)
        return [form], mean, std
    moments = [scale(some)[1:] for some in activations.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*moments, strict=True))
    return InParts(activations, at_once, lambda some: scale(some)[0]), mean, std


def _inner_products(forms: Iterable[Tensor], candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Correlations of the standardised activations with the candidates ``(B, A, N)`` and of these ``(B, N, N)``.

    As many chunks as fit are held while the others pass by; then the next ones. So N candidates of which M fit are
    computed about N / 2M times, not once per chunk.
    """
    images, pixels = len(candidates.pools[0].maps), candidates.size[0] * candidates.size[1]
    if (whole := candidates.whole) is not None:
        rows = whole.flatten(-2)
        products = [form @ rows.transpose(1, 2) for form in forms]
        together = products[0] if len(products) == 1 else torch.cat(products, dim=1)
        return together.div_(pixels), inner_products(rows).div_(pixels)
    gram = candidates.pools[0].maps.new_zeros(images, len(candidates), len(candidates))
    cross: list[tuple[Tensor, Tensor]] = []
    first = 0  # chunks before it have met all others
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
