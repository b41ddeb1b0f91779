"""Process a layer's maps in groups, so that no second copy of all of them is created."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

# Number of arrays of the size of the processed maps that a step of an explanation creates.
_ARRAYS = 8


def maps_at_once(maps: Tensor, budget: int, arrays: int = _ARRAYS) -> int:
    """Return how many maps ``(B, A, H, W)`` fit into a budget if a step creates `arrays` arrays of their size.

    Example:
        >>> import torch
        >>> maps_at_once(torch.zeros(1, 6, 10, 10), 10_000, arrays=8)
        3
    """
    return max(1, min(maps.shape[1], budget // (arrays * maps[:, 0].nbytes)))


class InParts:
    """Results of a function for groups of maps ``(B, a, H, W)``, cached if there is only one group.

    Args:
        maps: Shape ``(B, A, H, W)``.
        at_once: Maps per group.
        make: Function of a group of maps.
    """

    def __init__(self, maps: Tensor, at_once: int, make: Callable[[Tensor], Tensor]) -> None:
        self.parts, self.make = maps.split(at_once, dim=1), make
        self.made = make(maps) if len(self.parts) == 1 else None

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.make, self.parts) if self.made is None else iter([self.made])
