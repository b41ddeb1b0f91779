"""The candidates of a layer: pools of maps seen through the filter bank, chunk by chunk within a memory budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.functional import native
from explainsal.functional.reconstruction import centered_scale
from explainsal.functional.resize import resize_bilinear

_CPU_CHUNK = 2**21  # pixels of candidates that a CPU makes at a time: 8 MiB of float32


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


@dataclass(frozen=True)
class _Chunk:
    """Some maps of a pool through some filters; `start` is the pool's first candidate, `filters` its bank's size."""

    source: int
    places: range
    group: range
    start: int
    filters: int

    @property
    def count(self) -> int:
        return len(self.places) * len(self.group)


class Candidates:
    """All maps of all pools through all filters, at the size of the layer to rebuild.

    Args:
        pools: What the layer is rebuilt from.
        bank: The filters.
        size: Height and width of the layer's maps.
        scaling: As in :class:`~explainsal.explanation.presets.Options`.
        budget: Bytes that the candidates may take at once.
    """

    def __init__(
        self, pools: list[Pool], bank: FilterBank, size: tuple[int, int], *, scaling: str, budget: int
    ) -> None:
        self.pools, self.bank, self.size, self.scaling = pools, bank, size, scaling
        self.device = pools[0].maps.device
        served = [(pool.maps.shape[1], bank.served(pool.maps.shape[-2:])) for pool in pools]
        self.table = CandidateTable.of(served, self.device)
        each = pools[0].maps.element_size() * len(pools[0].maps) * size[0] * size[1]
        self._per_chunk = max(1, budget // (8 * each))  # making them takes several arrays of their size
        # all filters of a small map at once even so: one after the other they would take a hundred times as long
        self._filters_at_once = max(self._per_chunk, _CPU_CHUNK // (size[0] * size[1]))
        if self.device.type == "cpu":  # larger chunks spend their time on fresh memory pages
            self._per_chunk = min(self._per_chunk, max(8, _CPU_CHUNK // (size[0] * size[1])))
        self._kept: list[tuple[Tensor, Tensor]] | None = None
        self._keep = len(self) * each <= budget // 2
        self._plan = self._planned()
        largest = max((one.count for one in self._plan), default=1)
        self.chunks_at_once = len(self._plan) if self._keep else max(1, budget // (2 * each * largest))

    def __len__(self) -> int:
        return len(self.table.source)

    @property
    def usable(self) -> Tensor:
        """Shape ``(B, N)``: False where no map took the place."""
        return torch.cat(
            [(pool.channel >= 0).repeat_interleave(len(self.bank.served(pool.maps.shape[-2:])), dim=1)
             for pool in self.pools], dim=1,
        )  # fmt: skip

    def channel(self, index: Tensor) -> Tensor:
        """Which activation map each chosen candidate was made of; `index` has shape ``(B, ...)``."""
        longest = max(pool.channel.shape[1] for pool in self.pools)
        padded = [torch.nn.functional.pad(p.channel, (0, longest - p.channel.shape[1]), value=-1) for p in self.pools]
        channels = torch.stack(padded, dim=1).flatten(1)  # (B, sources * places)
        position = self.table.source[index] * longest + self.table.place[index]
        return channels.gather(1, position.flatten(1)).reshape(index.shape)

    @property
    def chunk_count(self) -> int:
        """How many chunks there are."""
        return len(self._plan)

    def chunks(self, first: int = 0, only: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Positions ``(n,)`` and scaled maps ``(B, n, H, W)``; together every candidate once.

        Kept for the next call where all of them fit into half the budget, else computed again; of these
        `chunks_at_once` fit into that half.

        Args:
            first: How many chunks to leave out.
            only: Shape ``(N,)``, bool: chunks that are computed anew and have none of these are left out, too.
        """
        if self._kept is None and self._keep:
            self._kept = [self._compute(one) for one in self._plan]
        if self._kept is not None:
            return iter(self._kept[first:])
        return (
            self._compute(one) for one in self._plan[first:] if only is None or bool(only[self._positions(one)].any())
        )

    def held_together(self, only: Tensor) -> Iterator[list[tuple[Tensor, Tensor]]]:
        """The chunks as :meth:`chunks` gives them, in lists: one where all are kept, else one for each."""
        chunks = self.chunks(only=only)
        return iter([list(chunks)]) if self.kept else ([one] for one in chunks)

    @property
    def kept(self) -> bool:
        """Whether all candidates are held once they were made, so that asking again costs nothing."""
        return self._keep

    def _planned(self) -> list[_Chunk]:
        start, plan = 0, []
        for source, pool in enumerate(self.pools):
            groups = self.bank.groups((int(pool.maps.shape[-2]), int(pool.maps.shape[-1])), self._filters_at_once)
            filters = sum(len(group) for group in groups)
            places = pool.maps.shape[1]
            step = max(1, self._per_chunk // max((len(group) for group in groups), default=1))
            some = [range(p, min(p + step, places)) for p in range(0, places, step)]
            plan += [_Chunk(source, one, group, start, filters) for group in groups for one in some]
            start += places * filters
        return plan

    def _compute(self, chunk: _Chunk) -> tuple[Tensor, Tensor]:
        maps = self.pools[chunk.source].maps[:, chunk.places.start : chunk.places.stop]
        seen = resize_bilinear(self.bank.candidates(maps, chunk.group), self.size)  # (B, p, g, H, W)
        return self._positions(chunk), scaled(seen.flatten(1, 2), self.scaling)

    def _positions(self, chunk: _Chunk) -> Tensor:
        rows = torch.arange(chunk.places.start, chunk.places.stop, device=self.device)[:, None] * chunk.filters
        columns = torch.arange(chunk.group.start, chunk.group.stop, device=self.device)
        return chunk.start + (rows + columns).flatten()


def combine_candidates(candidates: Candidates, index: Tensor, weights: Tensor) -> Tensor:
    """Linear combinations of a few candidates each (Eq. 3), chunk by chunk.

    Args:
        candidates: N per image.
        index: Shape ``(B, R, T)``, int64; -1 marks unused terms.
        weights: Shape ``(B, R, T)``; 0 at unused terms.

    Returns:
        Shape ``(B, R, H * W)``.
    """
    total = weights.new_zeros(*index.shape[:2], candidates.size[0] * candidates.size[1])
    used = torch.zeros(len(candidates) + 1, dtype=torch.bool, device=index.device)
    used.index_fill_(0, index.flatten() % len(used), True)  # unused terms, -1, mark the last, which is none
    if native.serves(total, weights):
        chosen = torch.where((weights != 0) & (index >= 0), index, len(candidates))
        for group in candidates.held_together(used):
            place = torch.zeros(len(total), len(candidates) + 1, dtype=torch.int64)
            for position, maps in group:
                place[:, position] = torch.stack([native.places(one) for one in maps])
            for b in range(len(total)):
                native.add_combinations(total[b], place[b][chosen[b]], weights[b])
        return total
    matrix = weights.new_zeros(*index.shape[:2], len(candidates)).scatter_add_(-1, index.clamp_min(0), weights)
    for position, maps in candidates.chunks(only=used):
        total.baddbmm_(matrix[:, :, position], maps.flatten(-2))
    return total


def scaled(maps: Tensor, scaling: str) -> Tensor:
    """Maps in the units in which they are compared; constant maps become 0 unless `scaling` is ``"none"``.

    Example:
        >>> scaled(torch.tensor([[1.0, 3.0], [2.0, 2.0]])[:, None], "min_max").tolist()
        [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    if scaling == "none":
        return maps
    if scaling == "standardize":
        return centered_scale(maps.flatten(-2))[0].reshape(maps.shape)
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    return torch.where(high > low, (maps - low) / (high - low), 0)
