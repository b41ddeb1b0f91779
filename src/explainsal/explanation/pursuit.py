"""Rebuilding a layer by sparse least squares: a few candidates and one constant per activation map."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates, combine_candidates
from explainsal.explanation.presets import Options
from explainsal.explanation.rebuilt import Rebuilt, Terms
from explainsal.functional.coefficients import matching_pursuit
from explainsal.functional.reconstruction import centered_scale


def pursue_layer(activations: Tensor, candidates: Candidates, options: Options) -> Rebuilt:
    """Rebuild every activation map of a layer.

    Args:
        activations: Shape ``(B, A, H, W)``, finite.
        candidates: Of the same images and size, standardised.
        options: How.

    Returns:
        The reconstructions and at most ``top_k`` terms each; a weight is that of the candidate scaled to unit
        variance, in units of the activations.
    """
    form, mean, std = centered_scale(activations.flatten(-2))  # (B, A, D), (B, A, 1), (B, A, 1)
    cross, gram = _inner_products(form, candidates)
    indices, weights = [], []
    for b in range(len(form)):
        fit = matching_pursuit(gram[b], cross[b], options.top_k, nonnegative=options.coefficients == "nnls")
        indices.append(fit.index)
        weights.append(fit.weights)
    index, weight = torch.stack(indices), torch.stack(weights) * std
    maps = combine_candidates(candidates, index, weight) + mean
    return Rebuilt(maps.reshape(activations.shape), activations, Terms(index, weight, mean[..., 0]))


def _inner_products(form: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Correlations of the activations with the candidates ``(B, A, N)`` and of the candidates ``(B, N, N)``."""
    images, maps, pixels = form.shape
    cross = form.new_zeros(images, maps, len(candidates))
    gram = form.new_zeros(images, len(candidates), len(candidates))
    for i, (rows, block) in enumerate(candidates.chunks()):
        one = block.flatten(-2)
        cross[:, :, rows] = form @ one.transpose(1, 2) / pixels
        for j, (columns, other) in enumerate(candidates.chunks()):
            if j < i:
                continue
            product = one @ other.flatten(-2).transpose(1, 2) / pixels
            gram[:, rows[:, None], columns] = product
            gram[:, columns[:, None], rows] = product.transpose(1, 2)
    return cross, gram
