"""What candidates are made of: pools of maps, where each candidate comes from, and what is remembered of the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from explainsal.explanation.views import Views


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
    """What later layers would make again: responses to the image, and pools through the bank."""

    def __init__(self) -> None:
        self.maps: dict[Any, Tensor] = {}
        self.views = Views()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all that is remembered."""
        return self._nbytes + self.views.nbytes

    def get(self, key: Any) -> Tensor | None:
        """What was made for this key."""
        return self.maps.get(key)

    def offer(self, key: Any, maps: Tensor, limit: int) -> None:
        """Remember it where all together are at most `limit` bytes."""
        if self._nbytes + maps.nbytes <= limit:
            self.maps[key] = maps
            self._nbytes += maps.nbytes

    def forget(self) -> None:
        """Hold nothing."""
        self.views.forget()
        self.maps.clear()
        self._nbytes = 0
