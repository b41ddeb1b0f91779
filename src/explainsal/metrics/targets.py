"""Conversion of plain tensors to ground-truth types, for every tensor whose meaning is unambiguous."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.types import DensityMap, FixationBatch, FixationMap

_COUNTS = (torch.bool, torch.int16, torch.int32, torch.int64)


def without_channel(maps: Tensor) -> Tensor:
    """Remove the channel of maps ``(B, 1, H, W)``; return anything else unchanged.

    Example:
        >>> without_channel(torch.zeros(2, 1, 5, 7)).shape
        torch.Size([2, 5, 7])
    """
    return maps[:, 0] if isinstance(maps, Tensor) and maps.ndim == 4 and maps.shape[1] == 1 else maps


def as_density(target: DensityMap | Tensor) -> DensityMap:
    """Convert densities ``(B, H, W)`` or ``(B, 1, H, W)``: floating point, or 8-bit maps as published.

    Raises:
        TypeError: If the target is not a density: fixation points, or a tensor of counts or truth values.

    Example:
        >>> as_density(torch.rand(2, 1, 5, 7)).values.shape
        torch.Size([2, 5, 7])
    """
    if not isinstance(target, Tensor):
        return target  # the metrics reject anything but a DensityMap
    if target.dtype in _COUNTS:
        raise TypeError(
            f"a tensor of {target.dtype} may be a fixation map: this metric compares with a fixation density. Pass it "
            "as floating point or uint8, or as DensityMap(values)"
        )
    return DensityMap(without_channel(target))


def as_fixations(target: FixationBatch | FixationMap | Tensor | Sequence[Tensor]) -> FixationBatch:
    """Convert fixations: a `FixationBatch`, a tensor ``(N_i, 2)`` of (x, y) per image, or a map of counts.

    Args:
        target: A map has shape ``(B, H, W)`` or ``(B, 1, H, W)`` and an integer type (counts) or a boolean type
            (fixated pixels). A pixel that was fixated twice counts as two fixations.

    Raises:
        TypeError: If the target has another type, or is a tensor that may be a density.

    Example:
        >>> fixated = torch.tensor([[[False, True], [True, False]]])
        >>> batch = as_fixations(fixated)
        >>> batch.x.tolist(), batch.y.tolist(), as_fixations([torch.tensor([[1.5, 0.5]])]).x.tolist()
        ([1.5, 0.5], [0.5, 1.5], [1.5])
    """
    if isinstance(target, list | tuple):
        return FixationBatch.from_points(target)
    if isinstance(target, FixationMap):
        return _points(target.counts)
    if not isinstance(target, Tensor):
        return target  # type: ignore[return-value]  # the metrics reject anything but a FixationBatch
    maps = without_channel(target)
    if maps.dtype not in _COUNTS or maps.ndim != 3:
        raise TypeError(
            f"a tensor of {target.dtype} and shape {tuple(target.shape)} may be a density: this metric looks at "
            "fixation points. Pass a FixationBatch, one tensor (N, 2) of (x, y) per image, or a map (B, H, W) of "
            "counts (int64) or truth values"
        )
    return _points(maps)


def _points(counts: Tensor) -> FixationBatch:
    """Return the centers of the fixated pixels, each repeated by its count."""
    image, row, column = counts.nonzero(as_tuple=True)
    times = counts[image, row, column].long()
    image, row, column = (each.repeat_interleave(times) for each in (image, row, column))
    return FixationBatch(column.double() + 0.5, row.double() + 0.5, image, len(counts))
