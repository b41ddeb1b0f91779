"""A batch of maps prepared for the metrics: checked, in float64, with shared intermediate results computed once."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.metrics import fast
from explainsal.functional.metrics.chunks import dot, walk
from explainsal.functional.metrics.points import Points
from explainsal.functional.metrics.ranks import Ranks
from explainsal.types import DensityMap, FixationBatch, FixationMap

_MODERATE = 400  # binary exponent up to which squares and their sums have full precision
_MOST = 1000  # exponent of the largest factor, a power of 2 that float64 can hold
Normalization = Literal["sum", "minmax", "raw"]


class Maps:
    """Maps of one size; metrics accept it in place of a tensor and share its intermediate results.

    Args:
        maps: Shape ``(B, H, W)``, any real dtype; integers become float64 first, so 8-bit maps keep their values.
        name: Name of the maps in messages.

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
        self.low, self.high, self.sum = self._extents()  # NaN and infinities are kept
        self._factors = self._rescale()
        bad = ~(self.high - self.low).isfinite()
        if bool(bad.any()):
            raise ValueError(f"{name} of images {bad.nonzero().flatten().tolist()} in the batch hold NaN or infinity")
        self._last: tuple[tuple[object, ...], Tensor] = (), self.low  # the last chunk that became a density
        self._affine: dict[tuple[str, float], tuple[Tensor | None, Tensor | None, Tensor]] = {}
        self._ranks: tuple[Points, Ranks] | None = None

    @classmethod
    def of(cls, maps: Tensor | DensityMap | Maps, name: str = "preds") -> Maps:
        """Prepare maps; return `maps` itself if it is a `Maps`."""
        if isinstance(maps, Maps):
            return maps
        return cls(maps.values if isinstance(maps, DensityMap) else maps, name)

    def __len__(self) -> int:
        return int(self.values.shape[0])

    @property
    def pixels(self) -> int:
        """The number of pixels of a map."""
        return self.size[0] * self.size[1]

    @cached_property
    def constant(self) -> Tensor:
        """Mask of the constant maps, shape ``(B,)``, bool: ``max == min``, which is exact, unlike a deviation of 0."""
        return self.low == self.high

    @cached_property
    def empty(self) -> Tensor:
        """Mask of the maps that are 0 everywhere, as densities without ground truth are, shape ``(B,)``, bool."""
        return (self.low == 0) & (self.high == 0)

    @cached_property
    def mean(self) -> Tensor:
        """Means of the maps, shape ``(B,)``."""
        return self.sum / self.pixels

    @cached_property
    def squares(self) -> Tensor:
        """Sum of squared deviations from the mean, shape ``(B,)``."""
        if loops_run(self.values):
            return fast.squares(self.values, self.mean)
        return walk(self.values, [self._squares])[0].sum(dim=2)[0]

    def centered(self, rows: slice, columns: slice) -> Tensor:
        """Return some images and pixels of the maps minus their means."""
        return self.values[rows, columns] - self.mean[rows, None]

    def _squares(self, rows: slice, columns: slice) -> Tensor:
        part = self.centered(rows, columns)
        return dot(part, part)[None]

    def _rescale(self) -> Tensor | None:
        """Multiply maps whose squares would underflow or overflow by powers of 2, without rounding.

        Metrics depend on a map's scale only through an offset, which is multiplied by the same factor.

        Returns:
            The factors, shape ``(B,)``; None where all are 1.
        """
        largest = torch.maximum(self.low.abs(), self.high.abs())
        exponent = torch.frexp(largest)[1].to(torch.float64)
        extreme = (largest > 0) & largest.isfinite() & (exponent.abs() > _MODERATE)
        if not bool(extreme.any()):
            return None
        factors = torch.where(extreme, -exponent, 0).clamp(-_MOST, _MOST).exp2()
        self.values = self.values * factors[:, None]
        self.low, self.high, self.sum = self._extents()
        return factors

    def _extents(self) -> tuple[Tensor, Tensor, Tensor]:
        """Compute minimum, maximum and sum of each map."""
        if loops_run(self.values):
            return fast.extents(self.values)

        def part(rows: slice, columns: slice) -> Tensor:
            chunk = self.values[rows, columns]
            return torch.stack([chunk.amin(dim=1), chunk.amax(dim=1), chunk.sum(dim=1)])

        low, high, total = walk(self.values, [part])[0]
        return low.amin(dim=1), high.amax(dim=1), total.sum(dim=1)

    def density(
        self, normalization: Normalization, offset: float = 0.0, rows: slice = slice(None), columns: slice = slice(None)
    ) -> Tensor:
        """Return the maps as densities over pixels, shape ``(B, H*W)``, or some rows and columns of it (read-only).

        Args:
            normalization: ``sum``: shifted by the minimum where that is negative, then divided by the sum; a map of
                zeros becomes uniform (pysaliency). ``minmax``: shifted by the minimum, then divided by the sum; a
                map of zeros stays zero, any other constant map is NaN (MIT). ``raw``: divided by the sum; a map of
                zeros stays zero (MIT).
            offset: Value added before the division, so that no density is 0.
            rows: Slice of the images.
            columns: Slice of the pixels.
        """
        chunk = (normalization, offset, rows, columns)
        if self._last[0] != chunk:
            self._last = chunk, self._scaled(*chunk)
        return self._last[1]

    def _scaled(self, normalization: Normalization, offset: float, rows: slice, columns: slice) -> Tensor:
        shift, extra, total = self._normalized_density(normalization, offset)
        if shift is None:
            return self.values[rows, columns] / total[rows, None]
        density = self.values[rows, columns] - shift[rows, None]
        return (density if extra is None else density.add_(extra[rows, None])).div_(total[rows, None])

    def density_at(self, points: Points, normalization: Normalization, offset: float = 0.0) -> Tensor:
        """Return the densities at the points, shape ``(B, N)``; maps ``(1, H, W)`` apply to every image."""
        shift, extra, total = self._normalized_density(normalization, offset)
        values = self.at(points)
        values = values if shift is None else values - shift[:, None]
        return (values if extra is None else values + extra[:, None]) / total[:, None]

    def scaling(self, normalization: Normalization, offset: float = 0.0) -> Tensor:
        """Return the values to subtract, to add and to divide by for a density, shape ``(B, 3)``."""
        shift, extra, total = self._normalized_density(normalization, offset)
        zero = torch.zeros_like(total)
        return torch.stack([zero if shift is None else shift, zero if extra is None else extra, total], dim=1)

    def _normalized_density(self, normalization: str, offset: float) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Return the values to subtract (or None), to add after that (or None) and to divide by, ``(B,)`` each."""
        key = (normalization, offset)
        if key not in self._affine:
            if normalization not in ("sum", "minmax", "raw"):
                raise ValueError(f"normalization must be 'sum', 'minmax' or 'raw', got {normalization!r}")
            shift = {"sum": self.low.clamp(max=0), "minmax": self.low, "raw": torch.zeros_like(self.low)}[normalization]
            added = torch.full_like(self.low, offset) * (1 if self._factors is None else self._factors)
            total = self._total(shift) + added * self.pixels
            extra = added if offset else None
            nothing = (total == 0) & (self.constant if normalization == "sum" else (self.low == 0) & (self.high == 0))
            if normalization == "sum" and bool(nothing.any()):  # uniform: (v - v + 1) / n
                extra = torch.where(nothing, 1.0, added)
            total = torch.where(nothing, self.pixels if normalization == "sum" else 1.0, total)
            plain = extra is None and not bool((shift != 0).any())
            self._affine[key] = None if plain else shift, extra, total
        return self._affine[key]

    def _total(self, shift: Tensor) -> Tensor:
        """Sum the maps minus `shift`, subtracted first because the difference of two sums is less exact."""
        if not bool((shift != 0).any()):
            return self.sum
        return walk(self.values, [lambda r, c: (self.values[r, c] - shift[r, None]).sum(dim=1)[None]])[0].sum(dim=2)[0]

    def at(self, points: Points) -> Tensor:
        """Return the values at the points, shape ``(B, N)``; 0 where a row has no point."""
        return points.gather(self.values)

    def ranks(self, points: Points) -> Ranks:
        """Return the ranks of the pixels among the points' values, computed once per set of points."""
        if self._ranks is None or self._ranks[0] is not points:
            self._ranks = points, Ranks(self.values, self.low, self.high, self.at(points), points.mask)
        return self._ranks[1]


def paired(preds: Tensor | Maps, target: DensityMap | Maps) -> tuple[Maps, Maps]:
    """Prepare predictions and ground-truth densities, and check them against each other.

    Raises:
        TypeError: If `target` is not a DensityMap.
        ValueError: If sizes, batch sizes or devices differ; maps are never resized silently.
    """
    if not isinstance(target, DensityMap | Maps):
        raise TypeError(
            f"this metric needs a fixation density: pass a DensityMap, not {type(target).__name__}"
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
    """Prepare predictions and fixation points, and check them against each other.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If batch sizes or devices differ, or a fixation is NaN or outside the map.
    """
    if not isinstance(fixations, FixationBatch | Points):
        raise TypeError(
            f"this metric needs fixation points: pass a FixationBatch, not {type(fixations).__name__}"
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
