"""One stage of the standalone model: a few maps, each a weighted sum of filtered earlier maps and a constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from explainsal.distillation.responses import Pair, center_maps, pair_responses
from explainsal.explanation.bank import FilterBank
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.layers import INPUT

CENTER = "center"  # name of the position maps as a source


@dataclass(frozen=True, eq=False)
class StageTerms:
    """Terms of P maps, at most T each. Unused terms have source -1.

    Args:
        source: Shape ``(P, T)``, int64: position among the stage's sources.
        place: Shape ``(P, T)``, int64: index of the map in that source.
        filter: Shape ``(P, T)``, int64: position in the bank; -1 for maps of the position, which are not filtered.
        weight: Shape ``(P, T)``: weight of the candidate, in units of the map per unit of the candidate.
        constant: Shape ``(P,)``: constant term.
        spread: Shape ``(P, T)``: standard deviation of the candidate over the training images.
        scale: Shape ``(P,)``: standard deviation of the activation map over the training images.
        lowest: Shape ``(P,)``: lowest value of the activation map over the training images; lower bound of the stage's
            map.
    """

    source: Tensor
    place: Tensor
    filter: Tensor
    weight: Tensor
    constant: Tensor
    spread: Tensor
    scale: Tensor
    lowest: Tensor


_FIXED = ("source", "place", "filter", "spread", "scale", "lowest")


class Stage(nn.Module):
    """P maps of size ``(h, w)``, which reproduce P activation maps of a layer.

    Args:
        size: Height and width ``(h, w)``.
        sources: Sources of the terms: ``"input"``, ``"center"``, or names of earlier stages.
        channels: Indices of the reproduced activation maps in the layer.
    """

    source: Tensor
    place: Tensor
    filter: Tensor
    spread: Tensor
    scale: Tensor
    lowest: Tensor
    slot: Tensor

    def __init__(
        self,
        name: str,
        size: tuple[int, int],
        sources: tuple[str, ...],
        channels: tuple[int, ...],
        terms: StageTerms,
        bank: FilterBank,
    ) -> None:
        super().__init__()
        self.name, self.size, self.sources, self.channels, self.bank = name, size, sources, channels, bank
        for field in _FIXED:
            self.register_buffer(field, getattr(terms, field))
        self.weight, self.constant = nn.Parameter(terms.weight), nn.Parameter(terms.constant)
        key = torch.stack([terms.source, terms.place, terms.filter], dim=-1).flatten(0, 1)  # (P T, 3)
        table, slot = torch.unique(key.cpu(), dim=0, return_inverse=True)
        self.table: list[list[int]] = table.tolist()  # source, place, filter of each distinct candidate, ascending
        self.register_buffer("slot", slot.reshape(terms.source.shape).to(terms.source.device), persistent=False)

    @property
    def image_pairs(self) -> list[Pair]:
        """Pairs of image map and filter that the stage needs."""
        return self._pairs(self.sources.index(INPUT)) if INPUT in self.sources else []

    def forward(self, maps: Mapping[str, Tensor], responses: Tensor) -> Tensor:
        """Return the stage's maps.

        Args:
            maps: Maps ``(B, ., ., .)`` of the earlier stages among the sources.
            responses: Shape ``(B, V, h, w)``: the image filtered by `image_pairs`, at the stage's size.

        Returns:
            Shape ``(B, P, h, w)``.
        """
        combined = torch.einsum("pu,buhw->bphw", self._matrix(), self.candidates(maps, responses))
        return torch.maximum(combined + self.constant[:, None, None], self.lowest[:, None, None])

    def contributions(self, maps: Mapping[str, Tensor], responses: Tensor, number: int = 0) -> Tensor:
        """Return each term's contribution to one map, ``(B, T, h, w)``.

        With the constant they sum to the unclamped map.
        """
        candidates = self.candidates(maps, responses)[:, self.slot[number]]
        return candidates * (self.weight[number] * (self.source[number] >= 0))[:, None, None]

    def candidates(self, maps: Mapping[str, Tensor], responses: Tensor) -> Tensor:
        """Return the U distinct candidates of all terms, at the stage's size: shape ``(B, U, h, w)``."""
        count, parts = responses.shape[0], []
        for source in sorted({row[0] for row in self.table}):
            pairs = self._pairs(source)
            if source < 0:
                parts.append(self.weight.new_zeros(1, 1, *self.size).expand(count, -1, -1, -1))
            elif self.sources[source] == INPUT:
                parts.append(responses)
            elif self.sources[source] == CENTER:
                fixed = center_maps(self.size, device=self.weight.device)[[place for place, _ in pairs]]
                parts.append(fixed.to(self.weight.dtype).expand(count, -1, -1, -1))
            else:
                parts.append(resize_bilinear(pair_responses(maps[self.sources[source]], self.bank, pairs), self.size))
        return torch.cat(parts, dim=1)

    def _pairs(self, source: int) -> list[Pair]:
        return [(place, which) for number, place, which in self.table if number == source]

    def _matrix(self) -> Tensor:
        """Return the weights of the distinct candidates, ``(P, U)``."""
        weight = self.weight * (self.source >= 0)
        return weight.new_zeros(len(weight), len(self.table)).scatter_add(1, self.slot, weight)
