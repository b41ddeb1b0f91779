"""Rebuilding a layer by sparse least squares: a few candidates and one constant per activation map."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, combine_candidates, in_order
from explainsal.explanation.options import Options
from explainsal.explanation.parts import InParts, maps_at_once
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional.coefficients import matching_pursuit
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
    moments = [scale_rows(some.flatten(-2), own)[1:] for some in activations.split(at_once, dim=1)]
    mean, std = (torch.cat(some, dim=1) for some in zip(*moments, strict=True))  # (B, A, 1)
    forms = InParts(activations, at_once, lambda some: scale_rows(some.flatten(-2), own, rooted=True)[0])
    cross, gram = _inner_products(forms, candidates)
    nonnegative = options.coefficients == "nnls"
    fit = matching_pursuit(gram, cross, options.top_k, nonnegative=nonnegative, ridge=options.ridge)
    weight = fit.weights * std
    maps = combine_candidates(candidates, fit.index, weight)
    maps = (maps if own is None else maps.div_(own.sqrt())).add_(mean)
    return Rebuilt(maps.reshape(activations.shape), activations, Terms(fit.index, weight, mean[..., 0]))


def _inner_products(forms: Iterable[Tensor], candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Correlations of the standardised activations with the candidates ``(B, A, N)`` and of these ``(B, N, N)``.

    As many chunks as fit are held while the others pass by; then the next ones. So N candidates of which M fit are
    computed about N / 2M times, not once per chunk.
    """
    images, pixels = len(candidates.pools[0].maps), candidates.size[0] * candidates.size[1]
    if (whole := candidates.whole) is not None:
        rows = whole.flatten(-2)
        products = [form @ rows.transpose(1, 2) for form in forms]
        return torch.cat(products, dim=1).div_(pixels), (rows @ rows.transpose(1, 2)).div_(pixels)
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
