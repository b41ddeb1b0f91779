"""Linear combinations of candidates (Eq. 3)."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.explanation.candidates import Candidates
from explainsal.functional.reconstruction import add_combinations


def combine_candidates(candidates: Candidates, index: Tensor, weights: Tensor) -> Tensor:
    """Compute linear combinations of a few candidates each (Eq. 3), chunk by chunk.

    Args:
        candidates: The N candidates of each image.
        index: Shape ``(B, R, T)``, int64; -1 marks unused terms.
        weights: Shape ``(B, R, T)``; 0 at unused terms.

    Returns:
        Shape ``(B, R, H * W)``.
    """
    total = weights.new_zeros(*index.shape[:2], candidates.size[0] * candidates.size[1])
    index = index.masked_fill(weights == 0, -1)
    for position, rows in candidates.parts(index):
        place = torch.full((len(candidates) + 1,), -1, device=index.device)  # the last entry belongs to index -1
        place[position] = torch.arange(rows.shape[1], device=index.device)
        add_combinations(total, rows, place[index], weights)
    return total


def in_order(parts: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Order columns ``(..., n)`` by their positions ``(n,)``; a single part is already in order."""
    if len(parts) == 1:
        return parts[0][1]
    positions, columns = (torch.cat(some, dim=-1) for some in zip(*parts, strict=True))
    return torch.empty_like(columns).index_copy_(-1, positions, columns)
