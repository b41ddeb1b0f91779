"""Select the layers whose pools are used to rebuild each layer."""

from __future__ import annotations

import random
from collections.abc import Sequence

from explainsal.explanation.options import Options
from explainsal.tracing.layers import INPUT, NetworkLayer


def find_sources(layers: Sequence[NetworkLayer], options: Options) -> dict[str, tuple[str, ...]]:
    """Return the source layers of every layer by name, in order; the image is ``"input"``."""
    sources: dict[str, tuple[str, ...]] = {}
    named: dict[str, tuple[str, ...]] = {}
    places = {layer.name: min(options.pool_size, layer.shape[0]) for layer in layers}
    before = [INPUT]
    chance = random.Random(options.chain_seed)
    for layer in layers:
        any_before = (chance.choice(before),)
        parents = {"graph": layer.parents, "sequential": (before[-1],), "random": any_before}[options.chain]
        named[layer.name] = parents
        for _ in range(options.generations - 1):
            parents = _with_parents(parents, named)
        if options.fill_pool:
            parents = _filled(parents, sources, places, options.pool_size)
        if options.image_candidates and INPUT not in parents:
            parents = (*parents, INPUT)
        sources[layer.name] = parents
        before.append(layer.name)
    return sources


def _with_parents(names: tuple[str, ...], parents: dict[str, tuple[str, ...]]) -> tuple[str, ...]:
    """Return layers and their parents, nearest first, without adding the image."""
    earlier = [parent for name in names for parent in parents.get(name, ()) if parent != INPUT]
    return tuple(dict.fromkeys([*names, *earlier]))


def _filled(
    parents: tuple[str, ...], sources: dict[str, tuple[str, ...]], places: dict[str, int], wanted: int
) -> tuple[str, ...]:
    """Return parents and, while these have fewer maps than a pool, their sources in turn."""
    found, nearest = list(parents), parents
    while nearest and sum(places.get(name, 1) for name in found) < wanted:
        nearest = tuple(dict.fromkeys(s for name in nearest for s in sources.get(name, ()) if s not in found))
        found += nearest
    return tuple(found)
