"""Rebuild the chain of layers during one forward pass, each from the pools of earlier layers."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from explainsal.errors import UserError
from explainsal.explanation.candidates import Candidates
from explainsal.explanation.input_maps import INPUT_MAP_NAMES, input_maps
from explainsal.explanation.layer import Coefficients, LayerExplanation
from explainsal.explanation.matching import match_layer
from explainsal.explanation.options import Options
from explainsal.explanation.output_weights import OutputWeights
from explainsal.explanation.parents import find_sources
from explainsal.explanation.parts import maps_at_once
from explainsal.explanation.pools import Pool, Remembered
from explainsal.explanation.pursuit import pursue_layer
from explainsal.explanation.rebuilt import Rebuilt, best_maps, measure_fit
from explainsal.explanation.transfer import REMEMBERED_BYTES, sampled_bytes_at_most
from explainsal.functional.computing import (
    default_budget,
    for_candidates,
    for_making_and_keeping,
    images_together,
    surely,
)
from explainsal.functional.images import as_computed, finite_maps, resize
from explainsal.functional.placement import Placement
from explainsal.tracing.layers import INPUT, NetworkLayer

_LEAST = 20  # maps needed to compute and compare one candidate
_FOR_VIEWS = 8  # 1/8 of the budget is for candidates that later layers use as well


class Chain:
    """Pools that later layers need, and the layers explained so far.

    Args:
        options: Options of the explanation.
        layers: The network's layers; skipped ones are ignored.
        first_pool: Shape ``(B, P, H, W)``, the input maps of the images passed to the explained module.
        keep_maps: Maps that stay in the result; see :class:`~explainsal.explanation.Explainer`.
        weights: Weights of the pixels and maps; None: equal weights.
        report: Function called with the name of every rebuilt layer.
    """

    def __init__(
        self,
        options: Options,
        layers: Sequence[NetworkLayer],
        first_pool: Tensor,
        keep_maps: bool | int | Sequence[str],
        weights: OutputWeights | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.options, self.first_pool, self.keep_maps, self.weights = options, first_pool, keep_maps, weights
        self.report = report
        self.layers = {layer.name: layer for layer in layers if layer.skipped is None}
        self.sources = find_sources(list(self.layers.values()), options)
        self.last_use = {source: name for name, sources in self.sources.items() for source in sources}
        self.last_view = {key: name for name in self.layers for key in self._views(name)}
        self.pools: dict[str, Pool] = {}
        self.remembered = Remembered()
        self.done: list[LayerExplanation] = []
        self.final: tuple[str, Tensor] | None = None
        self.budget = allowed_bytes(options, first_pool.device)
        self.for_banks = _for_banks(self.budget)

    @property
    def names(self) -> list[str]:
        """Names of the layers to rebuild."""
        return list(self.layers)

    def start(self, images: Tensor, place: Placement | None = None) -> None:
        """Use the input maps, at the size and position of the network's input, as the first pool.

        Padding keeps its gray level, as in the network's input, since its edge is a contour to which layers respond.
        """
        size = (int(images.shape[-2]), int(images.shape[-1]))
        maps = resize(self.first_pool, size if place is None else place.content)
        if place is not None:
            grey = input_maps(torch.full((1, 3, 1, 1), place.padding), self.options.input_maps).to(maps)
            maps = place.pad(maps - grey, 0) + grey
        self.pools[INPUT] = Pool(INPUT, maps, torch.arange(maps.shape[1], device=maps.device).expand(len(maps), -1))

    def rebuild(self, name: str, output: Any) -> None:
        """Rebuild a layer that has just run."""
        layer, started = self.layers[name], time.perf_counter()
        if not isinstance(output, Tensor) or tuple(output.shape[1:]) != layer.shape:
            raise ValueError(
                f"layer {name} returned {getattr(output, 'shape', type(output).__name__)}, but maps of {layer.shape} "
                "were listed: the network does not run the same layers for every image of a size"
            )
        pools = [self.pools[source] for source in self.sources[name]]
        activations = as_computed(output)
        self.final = None  # frees the previous layer's maps before this layer's are allocated
        with sampled_bytes_at_most(self.for_banks):
            pixels = self._pixel_weights(name, activations)
            rebuilt, coefficients = self._rebuild(activations, pools, pixels, self._weighting(name))
            over = [key for key in self._views(name) if self.last_view[key] == name]
            self.remembered.views.release(over, self.budget // _FOR_VIEWS)
            maps = rebuilt.maps
            fit = measure_fit(rebuilt.target, maps, maps_at_once(maps, self._spare(activations)), pixels)
            counts = None if self.weights is None else self.weights.of_maps(name)
            kept = best_maps(rebuilt, fit, self.options.selection, self.options.pool_size, pixels, counts)
        self._add_pool(name, maps, kept)
        seconds = torch.full((len(maps),), (time.perf_counter() - started) / len(maps), dtype=torch.float64)
        self.done.append(
            LayerExplanation(
                name, layer.type, layer.kind, layer.shape, self.sources[name], fit.mae, fit.relative_mae,
                fit.correlation, fit.weighted_correlation, kept, coefficients, seconds,
                *self._samples(name, activations, maps, kept),
            )
        )  # fmt: skip
        self.final = (name, maps)
        if self.report is not None:
            self.report(name)

    def finish(self, final: str) -> Tensor:
        """Return the reconstruction of the network's last map, ``(B, 1, h, w)``.

        Raises:
            ValueError: If the network did not run the listed layers.
        """
        missing = [name for name in self.layers if name not in {layer.name for layer in self.done}]
        if missing or self.final is None or self.final[0] != final:
            raise ValueError(
                f"the network did not run {', '.join(missing) or final} as when its layers were listed: "
                "it does not run the same layers for every image of a size"
            )
        return self.final[1]

    def _rebuild(
        self, activations: Tensor, pools: list[Pool], pixels: Tensor | None, weighting: str
    ) -> tuple[Rebuilt, Coefficients]:
        size = (int(activations.shape[-2]), int(activations.shape[-1]))
        spare = self._spare(activations)
        finite = finite_maps(activations)
        clean = activations if surely(finite) else torch.where(finite[..., None, None], activations, 0)
        mine = for_candidates(spare, activations.device)
        candidates = Candidates(
            pools, self.options.bank, size, scaling=self.options.scaling, budget=mine,
            remembered=self.remembered, pixel_weights=pixels, rooted=not self.options.matching,
            weighting=weighting,
        )  # fmt: skip
        rebuild = match_layer if self.options.matching else pursue_layer
        rebuilt = rebuild(clean, candidates, self.options, spare - mine)
        # the reconstruction of a map with NaN or infinity is NaN, and never in a pool
        if not surely(finite):
            rebuilt.maps.masked_fill_(~finite[..., None, None], torch.nan)
        return rebuilt, _decoded(rebuilt, candidates, finite, self.options)

    def _views(self, name: str) -> list[Hashable]:
        """Return the keys of the layer's candidates, see :attr:`Candidates.keys`."""
        _, height, width = self.layers[name].shape
        return [(source, (height, width), self._weighting(name)) for source in self.sources[name]]

    def _weighting(self, name: str) -> str:
        return "" if self.weights is None else self.weights.source(name)

    def _pixel_weights(self, name: str, activations: Tensor) -> Tensor | None:
        """Return the pixel weights of a layer, ``(B, 1, H * W)``; None: equal weights."""
        size = (int(activations.shape[-2]), int(activations.shape[-1]))
        return None if self.weights is None else self.weights.at(name, size, activations.dtype)

    def _spare(self, activations: Tensor) -> int:
        """Return the bytes of the budget that remain besides pools, reconstructions of a layer and sampled filters."""
        held = activations.nbytes + sum(pool.maps.nbytes for pool in self.pools.values())
        largest = max(one.nbytes // one.shape[1] for one in (activations, *(p.maps for p in self.pools.values())))
        spare = self.budget - self.for_banks - held
        if spare < _LEAST * largest:
            needed = held + _LEAST * largest
            needed += min(REMEMBERED_BYTES, -(-needed // 3))
            raise UserError(
                f"memory_budget={self.budget} is too small for a layer of {activations.shape[1]} maps of "
                f"{activations.shape[-2]} x {activations.shape[-1]} pixels: its reconstructions and the pools take "
                f"{held} bytes, at least {_LEAST} maps more are needed to work, and a quarter is for filter banks; "
                f"give at least {needed}, explain smaller images, or leave out layers (layers=...)"
            )
        if spare - self.remembered.nbytes < _LEAST * largest:
            self.remembered.forget()
        return spare - self.remembered.nbytes

    def _samples(self, name: str, activations: Tensor, maps: Tensor, kept: Tensor) -> tuple[Tensor | None, ...]:
        """Return channels, activations and reconstructions that stay in the result."""
        if self.keep_maps is False or not (isinstance(self.keep_maps, int) or name in self.keep_maps):
            return None, None, None
        if isinstance(self.keep_maps, int) and self.keep_maps is not True:
            channels = kept[:, : self.keep_maps]
            return channels, _pick(activations, channels), _pick(maps, channels)
        channels = torch.arange(maps.shape[1], device=maps.device).expand(len(maps), -1)
        return channels, activations.clone(), maps  # a later in-place operation would change the activations

    def _add_pool(self, name: str, maps: Tensor, kept: Tensor) -> None:
        if name in self.last_use:
            self.pools[name] = Pool(name, _pick(maps, kept), kept)
        for source in [source for source, user in self.last_use.items() if user == name]:
            del self.pools[source]


def images_at_once(options: Options, layers: Sequence[NetworkLayer], images: Tensor) -> int:
    """Return how many images to explain together.

    These are as many, in equal parts, as leave all candidates of every layer in memory: recomputing candidates costs
    more than additional launches, and checking which are used makes a device wait. On a CPU it is one, see
    :func:`~explainsal.functional.computing.images_together`.
    """
    if images_together(len(images), images.device) == 1:
        return 1
    taken = [layer for layer in layers if layer.skipped is None]
    first = 1 if options.input_maps == "luminance" else len(INPUT_MAP_NAMES)
    maps = {layer.name: min(options.pool_size, layer.shape[0]) for layer in taken} | {INPUT: first}
    offered = [sum(maps[source] for source in sources) for sources in find_sources(taken, options).values()]
    pixels = max(count * layer.shape[1] * layer.shape[2] for count, layer in zip(offered, taken, strict=True))
    each = pixels * len(options.bank) * images.element_size()
    budget = allowed_bytes(options, images.device)
    rest = 0.9 * (budget - _for_banks(budget))  # 1/10 for activations and pools
    _, room = for_making_and_keeping(for_candidates(int(rest), images.device), images.device)
    parts = -(-len(images) // max(1, int(room / each)))
    return -(-len(images) // parts)


def allowed_bytes(options: Options, device: torch.device) -> int:
    """Return the bytes that the explanation of an image may use."""
    return default_budget(device) if options.memory_budget is None else options.memory_budget


def _for_banks(budget: int) -> int:
    return min(REMEMBERED_BYTES, budget // 4)


def _pick(maps: Tensor, channels: Tensor) -> Tensor:
    """Select maps ``(B, P, H, W)`` of each image; zeros for channel -1."""
    place = channels.clamp_min(0)[..., None, None].expand(-1, -1, *maps.shape[-2:])
    return torch.where((channels >= 0)[..., None, None], maps.gather(1, place), 0)


def _decoded(rebuilt: Rebuilt, candidates: Candidates, finite: Tensor, options: Options) -> Coefficients:
    """Return the sources, channels and filters of all terms."""
    used = (rebuilt.terms.weights != 0) & (rebuilt.terms.index >= 0) & finite[..., None]
    index = rebuilt.terms.index.clamp_min(0)
    table = candidates.table
    scales = options.scales if options.matching else (1.0,)
    per_scale = rebuilt.terms.index.shape[-1] // len(scales)
    return Coefficients(
        weights=torch.where(used, rebuilt.terms.weights, 0),
        source=torch.where(used, table.source[index], -1),
        channel=torch.where(used, candidates.channel(index), -1),
        filter=torch.where(used, table.filter[index], -1),
        scale=torch.tensor(scales).repeat_interleave(per_scale),
        constant=rebuilt.terms.constant,
    )
