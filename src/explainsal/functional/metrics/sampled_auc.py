"""AUCs of older protocols with fixed thresholds and random negatives, for comparison with published tables."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.functional.metrics.auc import counts_for
from explainsal.functional.metrics.draws import uniform
from explainsal.functional.metrics.maps import Maps, placed
from explainsal.functional.metrics.points import Points
from explainsal.types import FixationBatch, FixationMap

_ELEMENTS = 1 << 22  # random keys in memory at a time


def auc_borji(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    *,
    splits: int = 100,
    step: float = 0.1,
    seed: int = 0,
    index: Tensor | None = None,
    draws: Tensor | None = None,
) -> Tensor:
    """Compute the MIT code's AUC-Borji: random negatives, thresholds ``0, step, ..., 1`` on the min-max scaled map.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        fixations: Points in pixels of the maps; each fixated pixel counts once.
        splits: Number of random sets, each as large as the number of fixated pixels, drawn with repetition.
        step: Distance of thresholds; 0.1 lowers the value by 0.01 to 0.02 against the exact AUC.
        seed: Seed of the draws, which depend only on `seed` and `index`.
        index: Data-set indices of the images, shape ``(B,)``, int64, for different draws per image; None: equal draws.
        draws: Negatives to use instead, shape ``(B, N, splits)``, int64: flat pixels, -1 for none.

    Returns:
        Shape ``(B,)``, float64, in [0, 1]; NaN for constant maps and images with fewer than two fixated pixels.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation lies outside the map, a value is NaN or infinite, or an option is out of range.

    Example:
        >>> preds = torch.arange(100.0).reshape(1, 10, 10)
        >>> fixations = FixationBatch.from_points([torch.tensor([[9.0, 9.0], [8.0, 9.0]])])
        >>> 0.9 < auc_borji(preds, fixations).item() < 1
        True
    """
    maps, points = placed(preds, fixations)
    _check(splits, step)
    if draws is None:
        slot = (points.first.cumsum(dim=1) - 1)[:, :, None] * splits + torch.arange(splits, device=points.pixel.device)
        draws = (uniform(seed, _index(index, points)[:, None, None], slot) * maps.pixels).long()
        draws = torch.where(points.first[:, :, None], draws, -1)
    result = _mean_area(maps, points, draws, step)
    return torch.where(maps.constant | (points.count(unique=True) < 2), torch.nan, result)


def sampled_shuffled_auc(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    nonfixations: FixationMap,
    *,
    splits: int | None = 100,
    step: float = 0.1,
    unique: bool = True,
    drop_maximum: bool = False,
    nan_for_constant: bool = True,
    seed: int = 0,
    index: Tensor | None = None,
    draws: Tensor | None = None,
) -> Tensor:
    """Compute the shuffled AUC with thresholds ``0, step, ..., 1`` on the min-max scaled map.

    MIT code: ``Nonfixations.of_random_images`` and the defaults. SALICON: ``Nonfixations.others(...,
    drop_own_pixels=True)``, ``splits=None, step=0.01, unique=False, drop_maximum=True, nan_for_constant=False``.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        fixations: Points in pixels of the maps.
        nonfixations: Counts ``(B, H, W)``, or ``(1, H, W)`` for all images.
        splits: Random sets of non-fixated pixels, each as large as that of fixated pixels, drawn without repetition
            and without counts. None: every non-fixation by its count.
        step: Distance of thresholds; 0.1 lowers the value by about 0.013 against the exact `shuffled_auc`.
        unique: Count each fixated pixel once instead of every fixation.
        drop_maximum: Omit a threshold that equals the largest value, as ``arange(0, max, step)`` does.
        nan_for_constant: NaN instead of 1/2 where the prediction is constant.
        seed: Seed of the draws, which also depend on `index` and the non-fixations.
        index: Data-set indices of the images, shape ``(B,)``, int64; None: equal draws for all images.
        draws: Negatives to use instead, shape ``(B, M, splits)``, int64: flat pixels, -1 for none.

    Returns:
        Shape ``(B,)``, float64, in [0, 1]; NaN for images without fixations or without non-fixations.

    Raises:
        TypeError: If fixations or non-fixations have another type.
        ValueError: If a fixation is outside the map, sizes differ, a value is not finite or an option out of range.
    """
    maps, points = placed(preds, fixations)
    _check(splits, step)
    counts = counts_for(nonfixations, maps)
    if draws is None and splits is not None:
        draws = _draw(counts, points.count(unique=True), splits, seed, _index(index, points))
    negatives, weight = _all_negatives(counts) if draws is None else (draws, None)
    result = _mean_area(maps, points, negatives, step, unique, drop_maximum, weight)
    result = torch.where(maps.constant, torch.nan if nan_for_constant else 0.5, result)
    return torch.where(points.mask.any(dim=1) & (counts > 0).any(dim=1), result, torch.nan)


def _all_negatives(counts: Tensor) -> tuple[Tensor, Tensor]:
    """Return the non-fixated pixels of every image, -1 for none, and their counts, both ``(B, M, 1)``."""
    image, pixel = counts.nonzero(as_tuple=True)
    table = pixel.new_full((len(counts), int((counts > 0).sum(dim=1).max())), -1)
    table[image, _slots(image, len(counts))] = pixel
    weight = torch.where(table < 0, 0, counts.gather(1, table.clamp(min=0)))
    return table[:, :, None], weight[:, :, None]


def _mean_area(
    maps: Maps,
    points: Points,
    draws: Tensor,
    step: float,
    unique: bool = True,
    drop_maximum: bool = False,
    weights: Tensor | None = None,
) -> Tensor:
    """Compute the area under the curve over fixed thresholds for negatives ``(B, M, S)``, averaged over the S sets."""
    images, _, splits = draws.shape
    thresholds = _thresholds(step, maps)
    positive, chosen = _scaled(maps, points.pixel), points.chosen(unique)
    negative, drawn = _scaled(maps, draws.clamp(min=0).flatten(1)).reshape(draws.shape), draws >= 0
    weight = drawn if weights is None else weights
    true = _reaching(positive[:, None], chosen[:, None], thresholds)  # (B, 1, T)
    false = _reaching(negative.transpose(1, 2), weight.transpose(1, 2), thresholds)  # (B, S, T)
    if drop_maximum:
        top = torch.maximum(_largest(negative, drawn), _largest(positive[:, :, None], chosen[:, :, None]))  # (B, S)
        kept = thresholds < top[:, :, None]
        true, false = true * kept, false * kept
    true = (true / chosen.sum(dim=1)[:, None, None]).expand(images, splits, -1)
    false = false / weight.sum(dim=1)[:, :, None]
    ends = true.new_zeros(images, splits, 1), true.new_ones(images, splits, 1)
    x, y = (torch.cat([ends[0], rate.flip(2), ends[1]], dim=2) for rate in (false, true))
    return torch.trapezoid(y, x, dim=2).mean(dim=1)


def _thresholds(step: float, maps: Maps) -> Tensor:
    """Return ``i * step`` in float64 as Octave's ``0:step:1`` and NumPy's ``arange`` do (MATLAB's 0.6 differs)."""
    last = math.floor(1 / step * (1 + 2**-52))
    grid = torch.arange(last + 1, dtype=torch.float64, device=maps.values.device) * step
    return grid.clamp(max=1.0)


def _scaled(maps: Maps, pixel: Tensor) -> Tensor:
    values = maps.values.gather(1, pixel) - maps.low[:, None]
    return values / (maps.high - maps.low)[:, None]


def _largest(values: Tensor, where: Tensor) -> Tensor:
    """Return the largest of the chosen ``(B, M, S)`` values, ``(B, S)``; 0, the scaled minimum, without values."""
    return torch.where(where, values, 0.0).amax(dim=1) if values.shape[1] else values.sum(dim=1)


def _reaching(values: Tensor, weights: Tensor, thresholds: Tensor) -> Tensor:
    """Compute the weight of the values at or above each threshold: ``(B, S, M)`` to ``(B, S, T)``."""
    images, splits, _ = values.shape
    bins = torch.searchsorted(thresholds, values.contiguous(), right=True)
    place = torch.arange(images * splits, device=values.device).reshape(images, splits, 1)
    histogram = bins.new_zeros(images * splits * (len(thresholds) + 1))
    histogram.index_add_(0, (place * (len(thresholds) + 1) + bins).flatten(), weights.flatten().to(bins.dtype))
    histogram = histogram.reshape(images, splits, -1)[:, :, 1:]
    return histogram.flip(2).cumsum(dim=2).flip(2).to(torch.float64)


def _draw(counts: Tensor, wanted: Tensor, splits: int, seed: int, index: Tensor) -> Tensor:
    """Draw distinct random pixels with a count, ``(B, M, splits)``, at most `wanted` per image; -1 for none."""
    image, pixel = counts.nonzero(as_tuple=True)
    slot = _slots(image, len(counts))
    available = (counts > 0).sum(dim=1)
    table = pixel.new_full((len(counts), int(available.max())), -1)
    table[image, slot] = pixel
    most = min(int(wanted.max()) if wanted.numel() else 0, table.shape[1])
    taken = torch.arange(most, device=counts.device) < wanted[:, None]  # (B, most)
    column = torch.arange(table.shape[1], device=counts.device)
    chunk = max(1, _ELEMENTS // max(table.numel(), 1))
    sets = []
    for start in range(0, splits, chunk):
        split = torch.arange(start, min(start + chunk, splits), device=counts.device)
        keys = uniform(seed, index[:, None, None], split[:, None] + column * splits)  # (B, S, M)
        keys = torch.where(table[:, None] < 0, 2.0, keys)
        first = keys.topk(most, dim=2, largest=False).indices
        pixels = table[:, None].expand(-1, len(split), -1).gather(2, first)
        sets.append(torch.where(taken[:, None], pixels, -1))
    return torch.cat(sets, dim=1).transpose(1, 2)


def _slots(image: Tensor, images: int) -> Tensor:
    """Return the position of each entry among those of its image, for a sorted vector of image numbers."""
    counts = torch.bincount(image, minlength=images)
    return torch.arange(len(image), device=image.device) - (counts.cumsum(0) - counts)[image]


def _index(index: Tensor | None, points: Points) -> Tensor:
    if index is None:
        return torch.zeros(len(points), dtype=torch.int64, device=points.pixel.device)
    return index.to(points.pixel.device, torch.int64)


def _check(splits: int | None, step: float) -> None:
    if splits is not None and splits < 1:
        raise ValueError(f"splits must be at least 1, got {splits}")
    if not 0 < step <= 1:
        raise ValueError(f"step must lie in (0, 1], got {step}")
