"""Choose candidates whose weights are fixed by their errors (Eq. 3), one after the other, by their joint fit."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from explainsal.functional.coefficients import SparseFit
from explainsal.functional.kernels import choice_kernels
from explainsal.functional.kernels.dispatch import loops_run

_BETTER = 1e-6  # a further candidate must raise the squared correlation by this share, so that rounding decides nothing
_TIE = 1e-9  # sums whose squared correlations differ by a smaller share are equal
_LEAST_ENERGY = 1e-9  # of a sum, in units of the energy of the best candidate: below, candidates cancel each other


def inverse_error_pursuit(gram: Tensor, target: Tensor, errors: Tensor, opposite: Tensor, terms: int) -> SparseFit:
    r"""Choose the candidates whose sum, weighted by Eq. 3, correlates best with each row.

    Up to a common factor, the weight of a candidate is fixed by its error: :math:`1/e`, or :math:`-1/\bar e` with the
    error :math:`\bar e` of its negative. Each step adds the signed candidate after which the weighted sum of all chosen
    ones correlates best with the row, and ends when none raises the correlation. Ties go to the lower index, and to
    the positive sign.

    Args:
        gram: Shape ``(B, N, N)``: inner products of the unit-norm candidates; rows of zeros mark unusable candidates.
        target: Shape ``(B, A, N)``: inner products of A rows of unit norm (or zero) with the candidates.
        errors: Shape ``(B, A, N)``, non-negative: the errors; infinite for unusable candidates.
        opposite: The same with the candidates' signs reversed.
        terms: Largest number of candidates per row.

    Returns:
        The chosen candidates and their weights, ``(B, A, T)``, in the dtype of `target`; the sum has unit norm. The
        computation runs in float64.

    Raises:
        ValueError: If `terms` is not positive.

    Example:
        >>> gram, target = torch.eye(3)[None], torch.tensor([[[0.6, 0.0, -0.8]]])
        >>> errors = torch.tensor([[[1.0, 1.0, 3.0]]])
        >>> fit = inverse_error_pursuit(gram, target, errors, errors.flip(-1), 2)
        >>> fit.index.tolist(), [round(w, 4) for w in fit.weights[0, 0].tolist()]
        ([[[2, 0]]], [-0.7071, 0.7071])
    """
    if terms < 1:
        raise ValueError(f"terms must be at least 1, got {terms}")
    if loops_run(gram, target, errors, opposite):
        rows = zip(gram, target, errors, opposite, strict=True)
        fits = [choice_kernels.pursue_sums(*some, terms, _BETTER, _TIE, _LEAST_ENERGY) for some in rows]
        index, weights = (torch.stack(some) for some in zip(*fits, strict=True))
    else:
        index, weights = _chosen(gram.double(), target.double(), errors.double(), opposite.double(), terms)
    return SparseFit(index, weights.to(target.dtype))


def _chosen(gram: Tensor, target: Tensor, errors: Tensor, opposite: Tensor, terms: int) -> tuple[Tensor, Tensor]:
    """Run :func:`inverse_error_pursuit` without loops over rows; return indices and weights ``(B, A, T)``."""
    usable = gram.diagonal(dim1=-2, dim2=-1)[:, None] > 0.5
    weights = torch.where(usable, _signed_weights(errors, opposite), 0)
    with_sum = torch.zeros_like(target)  # inner products of the candidates with the sum
    fit, energy, most = (target.new_zeros(*target.shape[:2], 1) for _ in range(3))
    index, chosen = [], []
    for _ in range(min(terms, target.shape[2])):
        product, after = fit + weights * target, energy + weights * (2 * with_sum + weights)
        sound = (product > 0) & (after > _LEAST_ENERGY)
        plus, minus = torch.where(sound, product.square() / after.clamp_min(_LEAST_ENERGY), 0)
        merit = torch.maximum(plus, minus)
        best = merit.amax(2, keepdim=True)
        place = (merit >= best * (1 - _TIE)).to(torch.int8).argmax(2, keepdim=True)
        live = best > most * (1 + _BETTER)
        negative = minus.gather(2, place) > plus.gather(2, place) * (1 + _TIE)
        weight = torch.where(negative, weights[1].gather(2, place), weights[0].gather(2, place)) * live
        energy = energy + weight * (2 * with_sum.gather(2, place) + weight)
        fit = fit + weight * target.gather(2, place)
        with_sum = with_sum + weight * gram.gather(1, place.expand_as(target))
        weights.scatter_(3, place.expand(2, -1, -1, -1), 0)
        most = torch.where(live, best, torch.inf)  # a row that has ended stays ended
        index.append(torch.where(live, place, -1))
        chosen.append(weight)
    scale = torch.where(energy > 0, energy.clamp_min(_LEAST_ENERGY).rsqrt(), 0)
    missing = (0, terms - len(index))
    return pad(torch.cat(index, 2), missing, value=-1), pad(torch.cat(chosen, 2) * scale, missing)


def _signed_weights(errors: Tensor, opposite: Tensor) -> Tensor:
    """Return the weights of the candidates and of their negatives, ``(2, B, A, N)``; the largest is 1 or -1."""
    both = torch.stack([errors, opposite])
    least = both.amin((0, 3), keepdim=True)
    sizes = torch.where(least == 0, (both == 0).to(both.dtype), least / both).nan_to_num_(0)
    return torch.stack([sizes[0], -sizes[1]])
