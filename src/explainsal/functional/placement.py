"""The position of a stimulus in the input of a network that pads it."""

from __future__ import annotations

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Placement:
    """A resized stimulus inside a network's input.

    Args:
        content: Height and width of the resized stimulus, in pixels.
        top: Rows of padding above it.
        left: Columns of padding to its left.
        size: Height and width of the input.
        padding: Grey level of the padding, in [0, 1].
    """

    content: tuple[int, int]
    top: int
    left: int
    size: tuple[int, int]
    padding: float = 0.0

    @classmethod
    def centered(
        cls, stimulus: tuple[int, int], size: tuple[int, int], *, scale: float | None = None, padding: float = 0.0
    ) -> Placement:
        """Place a stimulus in the middle of an input, with its aspect ratio kept and odd padding at the end.

        Args:
            stimulus: Height and width of the stimulus.
            size: Height and width of the input.
            scale: Scale of the resizing; default the largest that fits. Sizes are rounded, halves to even.
            padding: Grey level of the padding.

        Example:
            >>> Placement.centered((500, 750), (240, 320))
            Placement(content=(213, 320), top=13, left=0, size=(240, 320), padding=0.0)
        """
        factor = min(size[0] / stimulus[0], size[1] / stimulus[1]) if scale is None else scale
        height, width = max(1, round(stimulus[0] * factor)), max(1, round(stimulus[1] * factor))
        top, left = (size[0] - height) // 2, (size[1] - width) // 2
        return cls((height, width), top, left, (int(size[0]), int(size[1])), padding)

    def scaled(self, size: tuple[int, int]) -> Placement:
        """Scale the placement to a grid of another size, e.g. of a map at an eighth of the input.

        Example:
            >>> Placement.centered((500, 750), (240, 320)).scaled((30, 40))
            Placement(content=(27, 40), top=2, left=0, size=(30, 40), padding=0.0)
        """
        if size == self.size:
            return self
        down, across = size[0] / self.size[0], size[1] / self.size[1]
        content = max(1, round(self.content[0] * down)), max(1, round(self.content[1] * across))
        return Placement(content, round(self.top * down), round(self.left * across), size, self.padding)

    def pad(self, content: Tensor, value: float) -> Tensor:
        """Pad the resized stimulus ``(B, C, *content)`` to the input ``(B, C, *size)``."""
        bottom, right = self.size[0] - self.top - self.content[0], self.size[1] - self.left - self.content[1]
        return F.pad(content, (self.left, right, self.top, bottom), value=value)

    def crop(self, maps: Tensor) -> Tensor:
        """Remove the padding of maps ``(..., *size)``: ``(..., *content)``."""
        return maps[..., self.top : self.top + self.content[0], self.left : self.left + self.content[1]]
