"""Work on a layer's maps a few at a time, so that no second copy of all of them is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

# Arrays of the size of the maps in work that a step of an explanation makes beside them.
_ARRAYS = 8


def maps_at_once(maps: Tensor, budget: int, arrays: int = _ARRAYS) -> int:
    """How many maps ``(B, A, H, W)`` can be worked on at once if a step makes so many arrays of their size.

    Example:
        >>> import torch
        >>> maps_at_once(torch.zeros(1, 6, 10, 10), 10_000, arrays=8)
        3
    """
    return max(1, min(maps.shape[1], budget // (arrays * maps[:, 0].nbytes)))


class InParts:
    """What a function makes of some maps ``(B, a, H, W)`` after the other; remembered where all are worked on at once.

    Args:
        maps: Shape ``(B, A, H, W)``.
        at_once: How many at a time.
        make: The function.
    """

    def __init__(self, maps: Tensor, at_once: int, make: Callable[[Tensor], Tensor]) -> None:
        self.parts, self.make = maps.split(at_once, dim=1), make
        self.made = make(maps) if len(self.parts) == 1 else None

    def __iter__(self) -> Iterator[Tensor]:
        return map(self.make, self.parts) if self.made is None else iter([self.made])
