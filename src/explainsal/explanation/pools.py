"""Pools of maps for candidates, the origin of each candidate, and a cache of the image's responses."""

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
    """Maps from which candidates are computed.

    Args:
        layer: The rebuilt layer, or ``"input"``.
        maps: Shape ``(B, P, h, w)``.
        channel: Shape ``(B, P)``, int64: activation maps of the layer; -1 marks an empty place.
    """

    layer: str
    maps: Tensor
    channel: Tensor

    def images(self, start: int, stop: int) -> Pool:
        """Return the pool of some images of the batch."""
        return Pool(self.layer, self.maps[start:stop], self.channel[start:stop])


@dataclass(frozen=True, eq=False)
class CandidateTable:
    """Origin of each of N candidates.

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
        """List every map of every source with every filter: sources slowest, then maps, filters fastest.

        Args:
            sources: For each source, its number of maps and the positions of the filters for maps of its size.
            device: Device of the table.

        Example:
            >>> CandidateTable.of([(2, [0, 3]), (1, [5])], "cpu").filter.tolist()
            [0, 3, 0, 3, 5]
        """
        return _table(tuple((count, tuple(served)) for count, served in sources), torch.device(device))


@lru_cache(maxsize=256)
def _table(sources: tuple[tuple[int, tuple[int, ...]], ...], device: torch.device) -> CandidateTable:
    """Return a cached table, since every image needs it, and a copy to an accelerator waits for all of its work."""
    source = [torch.full((count * len(served),), i) for i, (count, served) in enumerate(sources)]
    place = [torch.arange(count).repeat_interleave(len(served)) for count, served in sources]
    filters = [torch.tensor(served, dtype=torch.int64).repeat(count) for count, served in sources]
    return CandidateTable(torch.cat(source).to(device), torch.cat(place).to(device), torch.cat(filters).to(device))


class Remembered:
    """Cache of results that later layers reuse: responses to the image and filtered pools."""

    def __init__(self) -> None:
        self.maps: dict[Any, Tensor] = {}
        self.views = Views()
        self._nbytes = 0

    @property
    def nbytes(self) -> int:
        """Bytes of all cached results."""
        return self._nbytes + self.views.nbytes

    def get(self, key: Any) -> Tensor | None:
        """Return the cached maps of a key, or None."""
        return self.maps.get(key)

    def offer(self, key: Any, maps: Tensor, limit: int) -> None:
        """Cache maps if all together have at most `limit` bytes."""
        if self._nbytes + maps.nbytes <= limit:
            self.maps[key] = maps
            self._nbytes += maps.nbytes

    def forget(self) -> None:
        """Free all cached memory."""
        self.views.forget()
        self.maps.clear()
        self._nbytes = 0
