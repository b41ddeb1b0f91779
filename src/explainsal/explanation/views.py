"""Pools seen through the filter bank at the size of a layer; what several layers ask for is made once."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from weakref import WeakKeyDictionary

from torch import Tensor

from explainsal.functional.reconstruction import inner_products, products


class View:
    """All maps of a pool through all filters, scaled, with their inner products.

    Args:
        maps: Shape ``(B, n, H, W)``.
        memory: Shape ``(numbers,)``: where they lie.
    """

    def __init__(self, maps: Tensor, memory: Tensor) -> None:
        self.maps, self.memory = maps, memory
        self._products: WeakKeyDictionary[View, Tensor] = WeakKeyDictionary()

    @property
    def rows(self) -> Tensor:
        """The same as ``(B, n, H * W)``."""
        return self.maps.flatten(-2)

    def products(self, other: View) -> Tensor:
        """Mean products over the pixels of all maps with those of another view, ``(B, n, m)``; computed once."""
        if other not in self._products:
            pixels = self.maps.shape[-2] * self.maps.shape[-1]
            found = inner_products(self.rows) if other is self else products(self.rows, other.rows)
            self._products[other] = found.div_(pixels)
        return self._products[other]


class Views:
    """The views of the layer in work, and those that layers after it ask for again.

    Memory that a view gives back serves the next one, in place of fresh pages.
    """

    def __init__(self) -> None:
        self._views: dict[Hashable, View] = {}
        self._free: list[Tensor] = []

    @property
    def nbytes(self) -> int:
        """Bytes of the views."""
        return sum(view.maps.nbytes for view in self._views.values())

    def of(self, key: Hashable, like: Tensor, shape: tuple[int, ...], make: Callable[[Tensor], None]) -> View:
        """The view of this key, or a new one.

        Args:
            key: What tells it from others.
            like: A tensor of its dtype and device.
            shape: Shape ``(B, n, H, W)`` of its maps.
            make: Writes them.
        """
        if key not in self._views:
            memory = self._memory(like, math.prod(shape))
            maps = memory[: math.prod(shape)].view(shape)
            make(maps)
            self._views[key] = View(maps, memory)
        return self._views[key]

    def release(self, keys: Iterable[Hashable], limit: int) -> None:
        """Hold these no more, and of the others, the oldest first, only as many as take at most so many bytes."""
        for key in keys:
            self._release(key)
        held = 0
        for key, view in list(self._views.items()):
            held += view.maps.nbytes
            if held > limit:
                self._release(key)

    def forget(self) -> None:
        """Hold nothing."""
        self._views.clear()
        self._free.clear()

    def _release(self, key: Hashable) -> None:
        if (view := self._views.pop(key, None)) is not None:
            self._free.append(view.memory)

    def _memory(self, like: Tensor, count: int) -> Tensor:
        """Memory that was given back, never more than twice what is needed; else new memory, after all of that went."""
        fits = [
            one for one in self._free
            if (one.dtype, one.device) == (like.dtype, like.device) and count <= len(one) <= 2 * count
        ]  # fmt: skip
        if not fits:
            self._free.clear()
            return like.new_empty(count)
        best = min(fits, key=len)
        self._free = [one for one in self._free if one is not best]
        return best
