"""Weights of the candidates in a reconstruction: inverse errors (Eq. 3) or sparse least squares."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.functional.kernels import choice_kernels
from explainsal.functional.kernels.dispatch import loops_run

# A candidate is omitted when the chosen ones already explain all but this share of its variance.
_DEPENDENT = 1e-6
_JITTER = 1e-9  # keeps the Cholesky factor of nearly dependent terms real
_FAINT = 1e-6  # smaller correlations are rounding errors of float32 inner products
_TIE = 1e-6  # correlations with a smaller relative difference are equal, so that rounding does not decide


def inverse_mae_weights(mae: Tensor) -> Tensor:
    """Compute weights proportional to 1/MAE that sum to 1 (Eq. 3).

    An error of 0 takes the limit: the candidates without error share the weight equally, the others get weight 0.

    Args:
        mae: Shape ``(..., T)``, non-negative, in any order.

    Returns:
        Shape ``(..., T)``, sum 1 over the last axis; NaN where an error is NaN.

    Example:
        >>> inverse_mae_weights(torch.tensor([[1.0, 3.0], [0.0, 2.0], [0.0, 0.0]])).tolist()
        [[0.75, 0.25], [1.0, 0.0], [0.5, 0.5]]
    """
    smallest = mae.amin(-1, keepdim=True)
    ratio = torch.where(smallest == 0, (mae == 0).to(mae.dtype), smallest / mae)
    return ratio / ratio.sum(-1, keepdim=True)


@dataclass(frozen=True, eq=False)
class SparseFit:
    """A sparse fit: a few weighted candidates per row.

    Args:
        index: Shape ``(..., A, T)``, int64: candidates in the order in which they were chosen; -1 fills unused terms.
        weights: Shape ``(..., A, T)``; 0 at unused terms.
    """

    index: Tensor
    weights: Tensor


def matching_pursuit(
    gram: Tensor, target: Tensor, terms: int, *, nonnegative: bool = False, ridge: float = 0.0
) -> SparseFit:
    """Run orthogonal matching pursuit from inner products alone.

    Every step takes the candidate that correlates most with the residual and refits all weights by least squares. With
    `nonnegative`, only positive correlations count and the refit is the active-set step of Lawson and Hanson, so that
    the result is a non-negative least-squares fit on its support. Ties go to the lower index. A row ends early when no
    candidate correlates with its residual, so that constant maps take no candidate.

    Args:
        gram: Shape ``(..., N, N)``: inner products of the unit-norm candidates; rows of zeros mark unusable candidates.
        target: Shape ``(..., A, N)``: inner products of A rows of unit norm (or zero) with the candidates.
        terms: Largest number of candidates per row.
        nonnegative: Whether weights below 0 are forbidden.
        ridge: Value added to the diagonal of `gram` for the solution of the weights, which shrinks them.

    Returns:
        The chosen candidates and their weights, ``(..., A, T)``, in the dtype of `target`; the solves run in float64.

    Raises:
        ValueError: If `terms` is not positive.

    Example:
        >>> fit = matching_pursuit(torch.eye(3), torch.tensor([[0.6, 0.0, -0.8]]), 2)
        >>> fit.index.tolist(), [round(w, 4) for w in fit.weights[0].tolist()]
        ([[2, 0]], [-0.8, 0.6])
    """
    if terms < 1:
        raise ValueError(f"terms must be at least 1, got {terms}")
    rows, candidates = target.shape[-2:]
    shape = (*target.shape[:-2], rows, terms)
    if loops_run(gram, target) and not nonnegative:
        return _fast_pursuit(gram, target, terms, ridge)
    grams = gram.double().expand(*target.shape[:-2], candidates, candidates).reshape(-1, candidates, candidates)
    work = _Pursuit(grams, target.double().reshape(-1, candidates), min(terms, candidates), ridge)
    if nonnegative:
        work.run_nonnegative()
    else:
        work.run_signed()
    index, weights = work.result(terms)
    return SparseFit(index.reshape(shape), weights.to(target.dtype).reshape(shape))


def _fast_pursuit(gram: Tensor, target: Tensor, terms: int, ridge: float) -> SparseFit:
    """Run the signed pursuit by compiled loops, one matrix of inner products after the other."""
    shape, candidates = (*target.shape[:-1], terms), target.shape[-1]
    grams = gram.expand(*target.shape[:-2], candidates, candidates).reshape(-1, candidates, candidates)
    targets = target.reshape(-1, *target.shape[-2:])
    fits = [
        choice_kernels.pursue(*pair, terms, _DEPENDENT, _FAINT, _TIE, ridge)
        for pair in zip(grams, targets, strict=True)
    ]
    index, weights = (torch.stack(some).reshape(shape) for some in zip(*fits, strict=True))
    return SparseFit(index, weights.to(target.dtype))


def above_noise(fit: SparseFit, gram: Tensor, cross: Tensor, least: Tensor, ridge: float) -> SparseFit:
    """Keep the terms before the first that explains less than a share of the residual, and fit again.

    If no map of a layer has a term left, every map keeps its first, so that later layers have candidates.

    Args:
        fit: Terms in the order of their selection, ``(B, A, T)``.
        gram: Shape ``(B, N, N)``: inner products of the candidates.
        cross: Shape ``(B, A, N)``: inner products of activations and candidates.
        least: Minimum share, ``(B,)`` or a single number.
        ridge: As for :func:`matching_pursuit`.
    """
    if loops_run(gram, cross):
        shares = least.expand(len(gram)).tolist()
        parts = zip(gram, cross, fit.index, shares, strict=True)
        found = [choice_kernels.keep_above(*part, _JITTER, ridge) for part in parts]
        index, weights = (torch.stack(some) for some in zip(*found, strict=True))
        return SparseFit(index, weights.to(fit.weights))
    chosen, taken = fit.index.clamp_min(0), fit.index >= 0
    image = torch.arange(len(gram), device=gram.device)[:, None, None, None]
    products = gram[image, chosen[..., :, None], chosen[..., None, :]].double()
    right = torch.where(taken, cross.gather(2, chosen).double(), 0)
    triangle = torch.linalg.cholesky_ex(_restricted(products, taken, _JITTER))[0]
    explained = torch.linalg.solve_triangular(triangle, right[..., None], upper=False)[..., 0].square_()
    left = (1 - (explained.cumsum(-1) - explained)).clamp_min_(torch.finfo(explained.dtype).tiny)
    kept = (taken & (explained / left >= least.reshape(-1, 1, 1))).cumprod(-1).bool()
    nothing = ~kept.flatten(1).any(1)
    kept[..., 0] |= taken[..., 0] & nothing[:, None]
    system = _restricted(products, kept, ridge)
    weights = torch.linalg.solve_ex(system, torch.where(kept, right, 0)[..., None])[0][..., 0]
    return SparseFit(fit.index.masked_fill(~kept, -1), weights.masked_fill_(~kept, 0).to(fit.weights))


def _restricted(products: Tensor, taken: Tensor, ridge: float) -> Tensor:
    """Return the inner products of the selected terms, with a ridge; the identity elsewhere."""
    both = taken[..., :, None] & taken[..., None, :]
    diagonal = torch.ones_like(taken, dtype=products.dtype).masked_fill_(taken, ridge)
    return torch.where(both, products, 0) + torch.diag_embed(diagonal)


class _Pursuit:
    """State of the pursuit for all rows: the support as indices, with -1 at free places, and the weights on it.

    The rows ``(R, N)`` belong to the B matrices of inner products in equal runs. On an accelerator, reading a value
    stops the host. Signed weights need no such read, non-negative ones two or more per step.
    """

    def __init__(self, gram: Tensor, target: Tensor, terms: int, ridge: float) -> None:
        self.gram, self.target, self.ridge = gram, target, ridge
        each = len(target) // max(len(gram), 1)
        self.image = torch.arange(len(gram), device=target.device).repeat_interleave(each)[:, None]
        self.index = torch.full((len(target), terms), -1, dtype=torch.int64, device=target.device)
        self.weights = target.new_zeros(len(target), terms)
        self.usable = (gram.diagonal(dim1=-2, dim2=-1) > 0.5)[self.image[:, 0]]

    def run_signed(self) -> None:
        """Orthogonalise all candidates to each chosen one (Gram-Schmidt), without reading values on the host."""
        left, nothing, forever = self.target.clone(), self.target.new_zeros(()), self.target.new_full((), torch.inf)
        diagonal = self.gram.diagonal(dim1=-2, dim2=-1)
        novelty = torch.where(diagonal > 0.5, diagonal, nothing)[self.image[:, 0]]
        basis = self.target.new_empty(*self.index.shape, self.target.shape[1])  # inner products with the chosen ones
        chosen, taken = [], []
        for step in range(self.index.shape[1]):
            best, candidate = _first_largest(torch.where(novelty >= _DEPENDENT, left.abs(), nothing))
            live, before = best > _FAINT, basis[:, :step]
            others = before.gather(2, candidate[..., None].expand(-1, step, 1)).transpose(1, 2)  # (R, 1, step)
            row = torch.baddbmm(self.gram[self.image, candidate], others, before, alpha=-1)[:, 0]
            norm = torch.where(live, novelty.gather(1, candidate), forever).rsqrt_()  # 0 where none is taken
            row = torch.mul(row, norm, out=basis[:, step])
            left.addcmul_(row, left.gather(1, candidate).mul_(norm), value=-1)
            novelty.addcmul_(row, row, value=-1)
            chosen.append(candidate)
            taken.append(live)
        self.index = torch.cat(chosen, dim=1).masked_fill_(~torch.cat(taken, dim=1), -1)
        self.weights = self._solve()

    def run_nonnegative(self) -> None:
        terms = self.index.shape[1]
        for _ in range(3 * terms):  # more steps than terms, because a step can remove candidates
            full = (self.index >= 0).all(1)
            score = self._correlations().masked_fill(full[:, None], 0)
            place = (self.index < 0).int().argmax(1)
            if not self._add(score, place):
                break
            self._make_feasible()

    def result(self, terms: int) -> tuple[Tensor, Tensor]:
        missing = terms - self.index.shape[1]
        index = torch.nn.functional.pad(self.index, (0, missing), value=-1)
        return index, torch.nn.functional.pad(self.weights * (self.index >= 0), (0, missing))

    def _correlations(self) -> Tensor:
        """Compute the inner products of the residuals with all candidates, ``(A, N)``."""
        chosen = self.index.clamp_min(0)
        explained = torch.bmm(self.weights[:, None], self.gram[self.image, chosen])[:, 0]
        return self.target - explained

    def _add(self, score: Tensor, place: Tensor) -> bool:
        """Put each row's best candidate at a place of its support; return False without any candidate."""
        while True:
            best, candidate = (one[:, 0] for one in _first_largest(score.masked_fill(~self.usable, 0)))
            live = best > _FAINT
            dependent = live & (self._novelty(candidate) < _DEPENDENT)
            any_live, any_dependent = torch.stack([live.any(), dependent.any()]).tolist()
            if not any_live:
                return False
            _put(self.usable, candidate, False, where=dependent if any_dependent else live)
            if not any_dependent:
                break
        _put(self.index, place, candidate, where=live)
        return True

    def _novelty(self, candidate: Tensor) -> Tensor:
        """Compute the share of a candidate's variance that the chosen ones do not explain, ``(A,)``."""
        cross = self.gram[self.image, self.index.clamp_min(0), candidate[:, None]] * (self.index >= 0)  # (A, T)
        return 1 - (cross * _solved(self._support_gram(), cross)).sum(1)

    def _support_gram(self) -> Tensor:
        """Return the inner products on the support, ``(A, T, T)``; free places are rows of the identity."""
        chosen, used = self.index.clamp_min(0), self.index >= 0
        gram = self.gram[self.image[:, :, None], chosen[:, :, None], chosen[:, None, :]] * (
            used[:, :, None] & used[:, None, :]
        )
        return gram + torch.diag_embed((~used).to(gram.dtype))

    def _solve(self) -> Tensor:
        right = self.target.gather(1, self.index.clamp_min(0)) * (self.index >= 0)
        gram = self._support_gram()
        gram.diagonal(dim1=-2, dim2=-1).add_(self.ridge)
        return _solved(gram, right)

    def _make_feasible(self) -> None:
        """Run Lawson and Hanson's inner loop: move towards the least-squares weights and drop those that reach 0."""
        for _ in range(self.index.shape[1]):
            wanted = self._solve()
            negative = (wanted <= 0) & (self.index >= 0)
            if not bool(negative.any()):
                break
            ratio = torch.where(negative, self.weights / (self.weights - wanted), torch.inf)
            step = ratio.amin(1, keepdim=True).clamp_max(1)
            self.weights = self.weights + step * (wanted - self.weights)
            leaving = negative & (ratio <= step)
            self.weights = self.weights.masked_fill(leaving, 0)
            self.index = self.index.masked_fill(leaving, -1)
        else:
            wanted = self._solve().clamp_min(0)
        self.weights = wanted


def _first_largest(values: Tensor) -> tuple[Tensor, Tensor]:
    """Find the largest value of every row ``(R, N)`` and its first position up to rounding, ``(R, 1)`` each."""
    most = values.amax(1, keepdim=True)
    return most, (values >= most * (1 - _TIE)).view(torch.uint8).argmax(1, keepdim=True)


def _put(table: Tensor, column: Tensor, value: Tensor | bool, *, where: Tensor) -> None:
    """Set one column of each row ``(R, C)`` where `where` ``(R,)`` is true, without reading `where` on the host."""
    column, where = column[:, None], where[:, None]
    new = value[:, None] if isinstance(value, Tensor) else torch.full_like(where, value)
    table.scatter_(1, column, torch.where(where, new, table.gather(1, column)))


def _solved(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve ``(R, T, T)`` against ``(R, T)``; supports are linearly independent, so the solves need no check."""
    solution: Tensor = torch.linalg.solve_ex(matrices, right[..., None])[0]
    return solution[..., 0]
