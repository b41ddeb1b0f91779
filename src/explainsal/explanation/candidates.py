"""Candidates of a layer: pools of maps filtered by the bank, chunk by chunk within a memory budget."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.pools import CandidateTable, Pool, Remembered
from explainsal.explanation.responses import bank_responses
from explainsal.explanation.scaling import scaled
from explainsal.explanation.transfer import filter_groups
from explainsal.explanation.views import View
from explainsal.functional import computing
from explainsal.functional.kernels.row_kernels import RowScaling, row_scaling
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.layers import INPUT


@lru_cache(maxsize=256)
def _counted(count: int, device: torch.device) -> Tensor:
    return torch.arange(count, device=device)


@dataclass(frozen=True)
class _Chunk:
    """Some maps of a pool with some filters; `start` is the pool's first candidate, `filters` its bank's size."""

    source: int
    places: range
    group: range
    start: int
    filters: int

    @property
    def count(self) -> int:
        return len(self.places) * len(self.group)


class Candidates:
    """All maps of all pools, filtered by all filters, at the size of the layer to rebuild.

    Args:
        pools: Pools from which the layer is rebuilt.
        bank: The filters.
        size: Height and width of the layer's maps.
        scaling: As in :class:`~explainsal.explanation.presets.Options`.
        budget: Maximum bytes of candidates in memory.
        remembered: Cache of the image's responses, shared with other layers.
        pixel_weights: Shape ``(B, 1, H * W)``, mean 1: weight of each pixel; None: equal weights.
        rooted: Whether candidates are also multiplied by the square roots of the weights, so that their plain inner
            products are weighted ones.
        weighting: Key that distinguishes these weights from those of other layers of the same size.
    """

    def __init__(
        self, pools: list[Pool], bank: FilterBank, size: tuple[int, int], *, scaling: str, budget: int,
        remembered: Remembered | None = None, pixel_weights: Tensor | None = None, rooted: bool = False,
        weighting: str = "",
    ) -> None:  # fmt: skip
        self.weighting = weighting
        self.pools, self.bank, self.size, self.scaling = pools, bank, size, scaling
        self.device, self.budget = pools[0].maps.device, budget
        self.pixel_weights, self.rooted = pixel_weights, rooted
        self.remembered = Remembered() if remembered is None else remembered
        served = [(pool.maps.shape[1], bank.filters_for(pool.maps.shape[-2:])) for pool in pools]
        self.table = CandidateTable.of(served, self.device)
        each = pools[0].maps.element_size() * len(pools[0].maps) * size[0] * size[1]
        for_making, for_keeping = computing.for_making_and_keeping(budget, self.device)
        fitting = max(1, for_making // (8 * each))  # computing them needs several arrays of their size
        self._filters_at_once = computing.filters_together(fitting, size[0] * size[1])
        self._per_chunk = computing.candidates_together(fitting, size[0] * size[1], self.device)
        self._keep = len(self) * each <= for_keeping
        self._plan = self._planned()
        largest = max((one.count for one in self._plan), default=1)
        sizes = [pool.maps.shape[1] * len(filters) for pool, (_, filters) in zip(pools, served, strict=True)]
        self.starts = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
        self._joined: Tensor | None = None
        together = [len(self)] if computing.in_one_array(pools[0].maps) else sizes
        cuts = sum(-(-size // self._per_chunk) for size in together)
        self.chunk_count = cuts if self._keep else len(self._plan)
        self.chunks_at_once = self.chunk_count if self._keep else max(1, budget // (2 * each * largest))

    def __len__(self) -> int:
        return len(self.table.source)

    @property
    def usable(self) -> Tensor:
        """Shape ``(B, N)``: False for empty places of a pool."""
        return torch.cat(
            [(pool.channel >= 0).repeat_interleave(len(self.bank.filters_for(pool.maps.shape[-2:])), dim=1)
             for pool in self.pools], dim=1,
        )  # fmt: skip

    def channel(self, index: Tensor) -> Tensor:
        """Return the activation map of each selected candidate; `index` has shape ``(B, ...)``."""
        longest = max(pool.channel.shape[1] for pool in self.pools)
        padded = [torch.nn.functional.pad(p.channel, (0, longest - p.channel.shape[1]), value=-1) for p in self.pools]
        channels = torch.stack(padded, dim=1).flatten(1)  # (B, sources * places)
        position = self.table.source[index] * longest + self.table.place[index]
        return channels.gather(1, position.flatten(1)).reshape(index.shape)

    def chunks(self, first: int = 0, only: Tensor | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield positions ``(n,)`` and scaled maps ``(B, n, H, W)``, with every candidate once.

        If all chunks fit into half the budget, they are kept for the next call, otherwise recomputed; `chunks_at_once`
        of these fit into that half.

        Args:
            first: Number of chunks to skip.
            only: Shape ``(N,)``, bool: recomputed chunks with none of these candidates are skipped as well.
        """
        if (views := self.views) is not None:
            return iter(self._cut(views)[first:])
        return (
            self._compute(one) for one in self._plan[first:] if only is None or bool(only[self._positions(one)].any())
        )

    def parts(self, index: Tensor) -> Iterator[tuple[slice | Tensor, Tensor]]:
        """Yield positions and scaled maps ``(B, n, H * W)``: pool by pool if all are held, else the requested chunks.

        Args:
            index: Requested candidates; -1 for none.
        """
        if (views := self.views) is not None:
            whole = [view.maps for view in views] if self._joined is None else [self._joined]
            spans = itertools.pairwise(self.starts if self._joined is None else [0, len(self)])
            yield from ((slice(*span), maps.flatten(-2)) for span, maps in zip(spans, whole, strict=True))
            return
        used = torch.zeros(len(self) + 1, dtype=torch.bool, device=index.device)
        used.index_fill_(0, index.flatten() % len(used), True)  # unused terms (-1) mark an extra last entry
        for position, maps in self.chunks(only=used):
            yield position, maps.flatten(-2)

    @cached_property
    def views(self) -> list[View] | None:
        """Scaled maps, pool by pool, where all of them are held in memory; else None.

        Compiled loops reuse the maps that an earlier layer has already computed. On other devices all maps are in one
        array, in order, because few large operations are faster there.
        """
        if not self._keep:
            return None
        like, spans = self.pools[0].maps, list(itertools.pairwise(self.starts))
        if computing.in_one_array(like):
            maps = like.new_empty(len(like), len(self), *self.size)
            for source, (start, stop) in enumerate(spans):
                self._fill(source, maps[:, start:stop], scale=False)
            for some in maps.split(self._per_chunk, dim=1):
                self._scaled(some, out=some)
            self._joined = maps
            return [View(maps[:, start:stop], maps) for start, stop in spans]
        return [
            self.remembered.views.of(
                key, like, (len(like), stop - start, *self.size), partial(self._fill, source, scale=True)
            )
            for source, (key, (start, stop)) in enumerate(zip(self.keys, spans, strict=True))
        ]

    @property
    def keys(self) -> list[Hashable]:
        """Keys that distinguish the view of each pool from all others of the same images."""
        return [(pool.layer, self.size, self.weighting) for pool in self.pools]

    @property
    def kept(self) -> bool:
        """True if all candidates stay in memory once computed."""
        return self._keep

    def _planned(self) -> list[_Chunk]:
        start, plan = 0, []
        for source, pool in enumerate(self.pools):
            groups = filter_groups(
                self.bank, (int(pool.maps.shape[-2]), int(pool.maps.shape[-1])), self._filters_at_once
            )
            filters = sum(len(group) for group in groups)
            places = pool.maps.shape[1]
            step = max(1, self._per_chunk // max((len(group) for group in groups), default=1))
            some = [range(p, min(p + step, places)) for p in range(0, places, step)]
            plan += [_Chunk(source, one, group, start, filters) for group in groups for one in some]
            start += places * filters
        return plan

    def _fill(self, source: int, maps: Tensor, *, scale: bool) -> None:
        """Write the candidates of a pool to `maps`."""
        for chunk in self._plan:
            if chunk.source == source:
                own = maps.unflatten(1, (-1, chunk.filters))
                places, group = (slice(some.start, some.stop) for some in (chunk.places, chunk.group))
                self._see(chunk, own[:, places, group], scale=scale)

    def _cut(self, views: list[View]) -> list[tuple[Tensor, Tensor]]:
        """Cut the held maps into chunks."""
        whole = [view.maps for view in views] if self._joined is None else [self._joined]
        parts = [some for maps in whole for some in maps.split(self._per_chunk, dim=1)]
        return list(zip(_counted(len(self), self.device).split([some.shape[1] for some in parts]), parts, strict=True))

    def _compute(self, chunk: _Chunk) -> tuple[Tensor, Tensor]:
        return self._positions(chunk), self._see(chunk, scale=True).flatten(1, 2)

    def _scaled(self, maps: Tensor, out: Tensor | None = None) -> Tensor:
        return scaled(maps, self.scaling, out, pixel_weights=self.pixel_weights, rooted=self.rooted)

    def _see(self, chunk: _Chunk, out: Tensor | None = None, *, scale: bool = False) -> Tensor:
        """Return responses ``(B, p, g, H, W)`` at the layer's size, computed or cached; written into `out` if given.

        With `scale` each response is scaled while it is in the cache.
        """
        pool = self.pools[chunk.source]
        maps = pool.maps[:, chunk.places.start : chunk.places.stop]
        resized = tuple(maps.shape[-2:]) != self.size
        if (
            scale
            and self.scaling == "standardize"
            and pool.layer != INPUT
            and not resized
            and not computing.in_one_array(maps)
        ):
            return self._standardized(maps, chunk.group, out)
        if pool.layer == INPUT:
            seen = self._of_the_image(chunk, self.size)
        elif resized:
            seen = resize_bilinear(bank_responses(self.bank, maps, chunk.group), self.size)
        else:
            seen = bank_responses(self.bank, maps, chunk.group, out)
        if not scale:
            return seen if out is None or out is seen else out.copy_(seen)
        if out is None:
            return self._scaled(seen.flatten(1, 2)).unflatten(1, seen.shape[1:3])
        for place in range(seen.shape[1]):
            self._scaled(seen[:, place], out=out[:, place])
        return out

    def _standardized(self, maps: Tensor, group: range, out: Tensor | None) -> Tensor:
        """Compute standardized responses of maps with the layer's size, image by image."""
        out = maps.new_empty(*maps.shape[:2], len(group), *self.size) if out is None else out
        for image, own, scaling in zip(maps, out, self._scalings, strict=True):
            bank_responses(self.bank, image, group, own, scaling)
        return out

    @cached_property
    def _scalings(self) -> list[RowScaling]:
        """The standardization of the candidates of each image."""
        maps, length = self.pools[0].maps, self.size[0] * self.size[1]
        weights = [None] * len(maps) if self.pixel_weights is None else list(self.pixel_weights)
        return [row_scaling(length, maps.dtype, own, rooted=self.rooted) for own in weights]

    def _of_the_image(self, chunk: _Chunk, size: tuple[int, int]) -> Tensor:
        """Return the responses of the image's pool, which other layers need as well, at this or other sizes."""
        maps = self.pools[chunk.source].maps[:, chunk.places.start : chunk.places.stop]
        own, key = (int(maps.shape[-2]), int(maps.shape[-1])), (size, chunk.places, chunk.group)
        seen = self.remembered.get(key)
        if seen is None:
            if size == own:
                seen = bank_responses(self.bank, maps, chunk.group)
            else:
                seen = resize_bilinear(self._of_the_image(chunk, own), size)
            self.remembered.offer(key, seen, self.budget // 8)
        return seen

    def _positions(self, chunk: _Chunk) -> Tensor:
        rows = torch.arange(chunk.places.start, chunk.places.stop, device=self.device)[:, None] * chunk.filters
        columns = torch.arange(chunk.group.start, chunk.group.stop, device=self.device)
        return chunk.start + (rows + columns).flatten()
