"""Filtered pools at the size of a layer, computed once for all layers that use them."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable
from weakref import WeakKeyDictionary

from torch import Tensor

from explainsal.functional.reconstruction import inner_products, products


class View:
    """All filtered maps of a pool, scaled, with their inner products.

    Args:
        maps: Shape ``(B, n, H, W)``.
        memory: Memory of the maps, shape ``(numbers,)``.
    """

    def __init__(self, maps: Tensor, memory: Tensor) -> None:
        self.maps, self.memory = maps, memory
        self._products: WeakKeyDictionary[View, Tensor] = WeakKeyDictionary()

    @property
    def rows(self) -> Tensor:
        """The maps as rows ``(B, n, H * W)``."""
        return self.maps.flatten(-2)

    def products(self, other: View) -> Tensor:
        """Return the mean products over pixels with the maps of another view, ``(B, n, m)``, computed once."""
        if other not in self._products:
            pixels = self.maps.shape[-2] * self.maps.shape[-1]
            found = inner_products(self.rows) if other is self else products(self.rows, other.rows)
            self._products[other] = found.div_(pixels)
        return self._products[other]


class Views:
    """Views of the current layer, and those that later layers use again.

    The memory of a released view is reused for the next one, instead of new pages.
    """

    def __init__(self) -> None:
        self._views: dict[Hashable, View] = {}
        self._free: list[Tensor] = []

    @property
    def nbytes(self) -> int:
        """Bytes of all held views."""
        return sum(view.maps.nbytes for view in self._views.values())

    def of(self, key: Hashable, like: Tensor, shape: tuple[int, ...], make: Callable[[Tensor], None]) -> View:
        """Return the view of a key; make it if there is none.

        Args:
            key: Key of the view.
            like: A tensor with the dtype and device of the maps.
            shape: Shape ``(B, n, H, W)`` of the maps.
            make: Function that writes the maps.
        """
        if key not in self._views:
            memory = self._memory(like, math.prod(shape))
            maps = memory[: math.prod(shape)].view(shape)
            make(maps)
            self._views[key] = View(maps, memory)
        return self._views[key]

    def release(self, keys: Iterable[Hashable], limit: int) -> None:
        """Release the views of some keys, and of the others those beyond the oldest that fit into `limit` bytes."""
        for key in keys:
            self._release(key)
        held = 0
        for key, view in list(self._views.items()):
            held += view.maps.nbytes
            if held > limit:
                self._release(key)

    def forget(self) -> None:
        """Release all views and their memory."""
        self._views.clear()
        self._free.clear()

    def _release(self, key: Hashable) -> None:
        if (view := self._views.pop(key, None)) is not None:
            self._free.append(view.memory)

    def _memory(self, like: Tensor, count: int) -> Tensor:
        """Return released memory of at most twice the size, else new memory after all released memory is freed."""
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
