"""Rebuilding a layer by sparse least squares: a few candidates and one constant per activation map."""

from __future__ import annotations

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
    fit = matching_pursuit(gram, cross, options.top_k, nonnegative=options.coefficients == "nnls")
    weight = fit.weights * std
    maps = combine_candidates(candidates, fit.index, weight) + mean
    return Rebuilt(maps.reshape(activations.shape), activations, Terms(fit.index, weight, mean[..., 0]))


def _inner_products(form: Tensor, candidates: Candidates) -> tuple[Tensor, Tensor]:
    """Correlations of the activations with the candidates ``(B, A, N)`` and of the candidates ``(B, N, N)``.

    As many chunks as fit are held while the others pass by; then the next ones. So N candidates of which M fit are
    computed about N / 2M times, not once per chunk.
    """
    images, maps, pixels = form.shape
    cross = form.new_zeros(images, maps, len(candidates))
    gram = form.new_zeros(images, len(candidates), len(candidates))
    first = 0  # chunks before it have met all others
    while first < candidates.chunk_count:
        held: list[tuple[Tensor, Tensor]] = []
        for number, (columns, block) in enumerate(candidates.chunks(first), start=first):
            other = block.flatten(-2)
            if number < first + candidates.chunks_at_once:
                held.append((columns, other))
                cross[:, :, columns] = form @ other.transpose(1, 2) / pixels
            for rows, one in held:
                product = one @ other.transpose(1, 2) / pixels
                gram[:, rows[:, None], columns] = product
                gram[:, columns[:, None], rows] = product.transpose(1, 2)
        first += len(held)
    return cross, gram
