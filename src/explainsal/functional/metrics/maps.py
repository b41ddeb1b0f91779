"""A batch of maps prepared for the metrics: checked, in float64, with what several metrics need computed once."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.metrics.points import Points
from explainsal.functional.metrics.ranks import Ranks
from explainsal.functional.types import DensityMap, FixationBatch, FixationMap

Normalization = Literal["sum", "minmax", "raw"]


class Maps:
    """Maps of one size. Metrics accept it in place of a tensor, so that one evaluation shares its work among them.

    Args:
        maps: Shape ``(B, H, W)``, any real dtype; integers become float64 first, so 8-bit maps keep their values.
        name: What the maps are, for messages.

    Raises:
        TypeError: If `maps` is not a tensor.
        ValueError: If the shape is not ``(B, H, W)`` with at least one pixel, or a value is NaN or infinite.

    Example:
        >>> maps = Maps(torch.tensor([[[0, 2], [2, 4]], [[7, 7], [7, 7]]], dtype=torch.uint8))
        >>> maps.constant.tolist(), maps.density("sum")[0].tolist()
        ([False, True], [0.0, 0.25, 0.25, 0.5])
    """

    def __init__(self, maps: Tensor, name: str = "preds") -> None:
        if not isinstance(maps, Tensor):
            raise TypeError(f"{name} must be a tensor (B, H, W), got {type(maps).__name__}")
        if maps.ndim != 3 or maps.shape[1] * maps.shape[2] == 0 or maps.is_complex():
            raise ValueError(f"{name} must be real maps (B, H, W), got {maps.dtype} {tuple(maps.shape)}")
        self.name = name
        self.size = (int(maps.shape[1]), int(maps.shape[2]))
        self.values = maps.detach().reshape(maps.shape[0], -1).to(torch.float64)  # (B, H*W)
        self.low, self.high = self.values.aminmax(dim=1)  # NaN and infinities come through
        bad = ~(self.high - self.low).isfinite()
        if bool(bad.any()):
            raise ValueError(f"{name} of images {bad.nonzero().flatten().tolist()} in the batch hold NaN or infinity")
        self._densities: dict[tuple[str, float], Tensor] = {}
        self._ranks: tuple[Points, Ranks] | None = None

    @classmethod
    def of(cls, maps: Tensor | DensityMap | Maps, name: str = "preds") -> Maps:
        """`maps` itself if it is prepared already, else prepared."""
        if isinstance(maps, Maps):
            return maps
        return cls(maps.values if isinstance(maps, DensityMap) else maps, name)

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def pixels(self) -> int:
        """Number of pixels of a map."""
        return self.size[0] * self.size[1]

    @cached_property
    def constant(self) -> Tensor:
        """Shape ``(B,)``, bool. By ``max == min``: a standard deviation of 0 fails where the mean is not exact."""
        return self.low == self.high

    @cached_property
    def centered(self) -> Tensor:
        """The maps minus their means, shape ``(B, H*W)``."""
        return self.values - self.mean[:, None]

    @cached_property
    def mean(self) -> Tensor:
        """Shape ``(B,)``."""
        return self.values.mean(dim=1)

    @cached_property
    def squares(self) -> Tensor:
        """Sum of squared deviations from the mean, shape ``(B,)``."""
        return torch.linalg.vecdot(self.centered, self.centered)

    def density(self, normalization: Normalization, offset: float = 0.0) -> Tensor:
        """The maps as densities over pixels, shape ``(B, H*W)``.

        Args:
            normalization: ``sum``: shifted by the minimum where that is negative, then divided by the sum; a map of
                zeros becomes uniform (pysaliency). ``minmax``: scaled to 0..1, then divided by the sum; a map of zeros
                stays zero, any other constant is NaN (MIT). ``raw``: divided by the sum; zeros stay zero (MIT).
            offset: Added before the division, so that no density is 0.
        """
        key = (normalization, offset)
        if key not in self._densities:
            self._densities[key] = self._density(normalization, offset)
        return self._densities[key]

    def _density(self, normalization: Normalization, offset: float) -> Tensor:
        zero = (self.low == 0) & self.constant
        if normalization == "sum":
            maps = self.values - self.low.clamp(max=0)[:, None] if bool((self.low < 0).any()) else self.values
            maps = maps + offset if offset else maps
        elif normalization == "minmax":
            maps = (self.values - self.low[:, None]) / (self.high - self.low)[:, None]
            maps = torch.where(zero[:, None], 0.0, maps) + offset
        elif normalization == "raw":
            maps = self.values + offset if offset else self.values
        else:
            raise ValueError(f"normalization must be 'sum', 'minmax' or 'raw', got {normalization!r}")
        total = maps.sum(dim=1, keepdim=True)
        density = maps / torch.where(total == 0, 1.0, total)
        if normalization == "sum":
            density = torch.where(total == 0, 1.0 / self.pixels, density) if bool((total == 0).any()) else density
        return density

    def at(self, points: Points) -> Tensor:
        """Values at the points, shape ``(B, N)``; 0 where a row has no point."""
        return points.gather(self.values)

    def ranks(self, points: Points) -> Ranks:
        """Ranks of the pixels among the points' values, computed once per set of points."""
        if self._ranks is None or self._ranks[0] is not points:
            self._ranks = points, Ranks(self.values, self.low, self.high, self.at(points), points.mask)
        return self._ranks[1]


def paired(preds: Tensor | Maps, target: DensityMap | Maps) -> tuple[Maps, Maps]:
    """Predictions and ground-truth densities, checked against each other.

    Raises:
        TypeError: If `target` is not a DensityMap.
        ValueError: If sizes, batch sizes or devices differ: maps are never resized silently.
    """
    if not isinstance(target, DensityMap | Maps):
        raise TypeError(
            f"this metric compares with a fixation density: pass a DensityMap, not {type(target).__name__}"
            + (" (fixation points are for nss, auc, information_gain, ...)" if _is_points(target) else "")
        )
    maps, densities = Maps.of(preds), Maps.of(target, "target")
    if maps.values.device != densities.values.device:
        raise ValueError(f"preds are on {maps.values.device}, target is on {densities.values.device}")
    if len(maps) != len(densities) or maps.size != densities.size:
        raise ValueError(
            f"preds have shape {(len(maps), *maps.size)}, target has {(len(densities), *densities.size)}: "
            "resize the prediction to the size of the ground truth first"
        )
    return maps, densities


def placed(preds: Tensor | Maps, fixations: FixationBatch | Points) -> tuple[Maps, Points]:
    """Predictions and fixation points, checked against each other.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If batch sizes or devices differ, or a fixation is NaN or outside the map.
    """
    if not isinstance(fixations, FixationBatch | Points):
        raise TypeError(
            f"this metric looks at fixation points: pass a FixationBatch, not {type(fixations).__name__}"
            + (" (a density is for sim, cc, kl_div)" if isinstance(fixations, DensityMap) else "")
        )
    maps = Maps.of(preds)
    points = Points.of(fixations, maps.size)
    if points.size != maps.size:
        raise ValueError(f"preds have size {maps.size}, the points were placed on a map of size {points.size}")
    if len(points) != len(maps):
        raise ValueError(f"{len(maps)} maps, but fixations of {len(points)} images")
    if points.pixel.device != maps.values.device:
        raise ValueError(f"preds are on {maps.values.device}, fixations on {points.pixel.device}")
    return maps, points


def _is_points(target: object) -> bool:
    return isinstance(target, FixationBatch | FixationMap | Points)
