"""What candidates are made of: pools of maps, where each candidate comes from, and what is remembered of the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pool:
    """Maps that candidates are made of.

    Args:
        layer: The layer they rebuild, or ``"input"``.
        maps: Shape ``(B, P, h, w)``.
        channel: Shape ``(B, P)``, int64: which activation maps of the layer; -1 marks a place that no map took.
    """

    layer: str
    maps: Tensor
    channel: Tensor

    def images(self, start: int, stop: int) -> Pool:
        """The same for some images of the batch."""
        return Pool(self.layer, self.maps[start:stop], self.channel[start:stop])


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Where each of N candidates comes from.

    Args:
        source: Shape ``(N,)``, position of the pool.
        place: Shape ``(N,)``, position of the map in its pool.
        filter: Shape ``(N,)``, position in ``bank.filters``.
    """

    source: Tensor
    place: Tensor
    filter: Tensor

    @classmethod
    def of(cls, sources: Sequence[tuple[int, Sequence[int]]], device: torch.device | str) -> CandidateTable:
        """Every map of every source through every filter: sources slowest, then maps, filters fastest.

        Args:
            sources: Of each, how many maps it has and the positions of the filters that serve maps of its size.
            device: Of the table.

        Example:
            >>> CandidateTable.of([(2, [0, 3]), (1, [5])], "cpu").filter.tolist()
            [0, 3, 0, 3, 5]
        """
        return _table(tuple((count, tuple(served)) for count, served in sources), torch.device(device))


@lru_cache(maxsize=256)
def _table(sources: tuple[tuple[int, tuple[int, ...]], ...], device: torch.device) -> CandidateTable:
    """Remembered, since every image asks again, and a copy to an accelerator waits for all that it has to do."""
    source = [torch.full((count * len(served),), i) for i, (count, served) in enumerate(sources)]
    place = [torch.arange(count).repeat_interleave(len(served)) for count, served in sources]
    filters = [torch.tensor(served, dtype=torch.int64).repeat(count) for count, served in sources]
    return CandidateTable(torch.cat(source).to(device), torch.cat(place).to(device), torch.cat(filters).to(device))


class Remembered:
    """What layers of one size see of the image, which they would all make again; as much of it as may be held."""

    def __init__(self) -> None:
        self.maps: dict[Any, Tensor] = {}
        self.nbytes = 0
        self._workspace: Tensor | None = None

    def get(self, key: Any) -> Tensor | None:
        """What was made for this key."""
        return self.maps.get(key)

    def offer(self, key: Any, maps: Tensor, limit: int) -> None:
        """Remember it where all together are at most `limit` bytes."""
        if self.nbytes + maps.nbytes <= limit:
            self.maps[key] = maps
            self.nbytes += maps.nbytes

    def workspace(self, like: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Memory for the candidates of one layer after the other, in place of fresh pages for each.

        It is written over by the next layer, and never more than twice what a layer needs.
        """
        count = math.prod(shape)
        held = self._workspace
        if (
            held is None
            or (held.dtype, held.device) != (like.dtype, like.device)
            or not count <= len(held) <= 2 * count
        ):
            self._workspace = None  # the old memory goes before the new comes
            self._workspace = held = like.new_empty(count)
        return held[:count].view(shape)

    def forget(self) -> None:
        """Hold nothing."""
        self._workspace = None
        self.maps.clear()
        self.nbytes = 0
