"""The fixations of a batch as one padded table of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.types import FixationBatch


@dataclass(frozen=True, eq=False)
class Points:
    """The fixated pixels of each image, sorted so that results do not depend on the order of a scan path.

    Args:
        pixel: Shape ``(B, N)``, int64, flat index ``row * W + column``; 0 where `mask` is False.
        mask: Mask of the entries that are fixations, shape ``(B, N)``, bool.
        first: Mask of the first fixation of each pixel, i.e. the unique fixations, shape ``(B, N)``, bool.
        size: Height and width of the maps.
    """

    pixel: Tensor
    mask: Tensor
    first: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, fixations: FixationBatch | Points, size: tuple[int, int]) -> Points:
        """Place fixations on maps of `size`; return `fixations` itself if it is a `Points`.

        Example:
            >>> fixations = FixationBatch.from_points([torch.tensor([[1.5, 0.2], [0, 0], [1, 0]]), torch.zeros(0, 2)])
            >>> points = Points.of(fixations, (2, 2))
            >>> points.pixel.tolist(), points.count().tolist(), points.count(unique=True).tolist()
            ([[0, 1, 1], [0, 0, 0]], [3, 0], [2, 0])
        """
        if isinstance(fixations, Points):
            return fixations
        pixels = size[0] * size[1]
        flat = fixations.pixels(size) + fixations.image * pixels
        flat = flat.sort().values  # by image, then by pixel
        counts = fixations.per_image()
        table = torch.full((fixations.batch_size, int(counts.max()) if len(counts) else 0), pixels, device=flat.device)
        slot = torch.arange(len(flat), device=flat.device) - (counts.cumsum(0) - counts)[flat // pixels]
        table[flat // pixels, slot] = flat % pixels
        mask = table < pixels
        first = mask.clone()
        first[:, 1:] &= table[:, 1:] != table[:, :-1]
        return cls(torch.where(mask, table, 0), mask, first, size)

    def __len__(self) -> int:
        return int(self.pixel.shape[0])

    def chosen(self, unique: bool) -> Tensor:
        """Return the mask of the entries that count: every fixation, or each fixated pixel once; ``(B, N)``, bool."""
        return self.first if unique else self.mask

    def count(self, unique: bool = False) -> Tensor:
        """Count the fixations (or fixated pixels) per image, shape ``(B,)``, int64."""
        return self.chosen(unique).sum(dim=1)

    def gather(self, maps: Tensor) -> Tensor:
        """Return the values of maps ``(B, H*W)`` or ``(1, H*W)`` at the points, ``(B, N)``; 0 at padded entries."""
        values = maps.expand(len(self), -1).gather(1, self.pixel)
        return torch.where(self.mask, values, torch.zeros((), dtype=values.dtype, device=values.device))

    def average(self, values: Tensor, unique: bool = False) -> Tensor:
        """Average ``(B, N)`` values over the points of each image, shape ``(B,)``; NaN without points."""
        chosen = self.chosen(unique)
        total = torch.where(chosen, values, 0.0).sum(dim=1)
        return total / torch.where(chosen.any(dim=1), chosen.sum(dim=1), torch.nan)
