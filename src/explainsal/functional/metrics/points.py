"""Ragged fixations of a batch as one padded table of pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from explainsal.types import FixationBatch


@dataclass(frozen=True, eq=False)
class Points:
    """The fixated pixels of each image, sorted by pixel, so that the order of a scan path cannot change a rounding.

    Args:
        pixel: Shape ``(B, N)``, int64, flat index ``row * W + column``; 0 where `mask` is False.
        mask: Shape ``(B, N)``, bool: which entries are fixations.
        first: Shape ``(B, N)``, bool: the first fixation of each pixel, i.e. the unique fixations.
        size: Height and width of the maps.
    """

    pixel: Tensor
    mask: Tensor
    first: Tensor
    size: tuple[int, int]

    @classmethod
    def of(cls, fixations: FixationBatch | Points, size: tuple[int, int]) -> Points:
        """`fixations` itself if it is a table already, else placed on maps of `size`.

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
        """Which entries count: every fixation, or each fixated pixel once. Shape ``(B, N)``, bool."""
        return self.first if unique else self.mask

    def count(self, unique: bool = False) -> Tensor:
        """Number of fixations (or of fixated pixels) per image, shape ``(B,)``, int64."""
        return self.chosen(unique).sum(dim=1)

    def gather(self, maps: Tensor) -> Tensor:
        """Values of ``(B, H*W)`` (or ``(1, H*W)``) maps at the points, shape ``(B, N)``; 0 where there is no point."""
        values = maps.expand(len(self), -1).gather(1, self.pixel)
        return torch.where(self.mask, values, torch.zeros((), dtype=values.dtype, device=values.device))

    def average(self, values: Tensor, unique: bool = False) -> Tensor:
        """Mean of ``(B, N)`` values over the points of each image, shape ``(B,)``; NaN without points."""
        chosen = self.chosen(unique)
        total = torch.where(chosen, values, 0.0).sum(dim=1)
        return total / torch.where(chosen.any(dim=1), chosen.sum(dim=1), torch.nan)
