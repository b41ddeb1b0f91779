"""Exact areas under the ROC curve (AUC, AUC-Judd, shuffled AUC) by ranks, without jitter or chosen thresholds."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.metrics.maps import Maps, placed
from explainsal.functional.metrics.points import Points
from explainsal.types import FixationBatch, FixationMap

Ties = Literal["jitter_mean", "diagonal", "pessimistic"]


def auc(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    *,
    nonfixations: Literal["uniform", "unfixated"] = "uniform",
    unique: bool = False,
    nan_for_constant: bool = False,
) -> Tensor:
    """Compute the exact AUC: the probability that a fixated pixel exceeds a random pixel (ties: 1/2).

    This is pysaliency's ``AUCs(nonfixations="uniform")``, the "AUC" of the MIT/Tuebingen benchmark.

    Args:
        preds: Shape ``(B, H, W)``, any scale: only the order of the values counts. Or `Maps`.
        fixations: Points in pixels of the maps.
        nonfixations: The negatives: ``uniform``, all pixels with the fixated ones; ``unfixated``, all other pixels.
        unique: Count each fixated pixel once instead of every fixation.
        nan_for_constant: NaN instead of 1/2 where the prediction is constant.

    Returns:
        Shape ``(B,)``, float64, in [0, 1]; 1/2 is chance, NaN for an image without fixations or without negatives.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation lies outside the map, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[0.0, 1.0, 1.0, 2.0]]])
        >>> auc(preds, FixationBatch.from_points([torch.tensor([[2.0, 0.0]])])).item()    # (1 below + 2 ties / 2) / 4
        0.5
    """
    maps, points = placed(preds, fixations)
    if nonfixations == "uniform":
        below, level, negatives = maps.ranks(points).weigh()
    elif nonfixations == "unfixated":
        below, level, negatives = _unfixated(maps, points)
    else:
        raise ValueError(f"nonfixations must be 'uniform' or 'unfixated', got {nonfixations!r}")
    return _auc(maps, points, below, level, negatives, unique, nan_for_constant)


def shuffled_auc(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    nonfixations: FixationMap,
    *,
    unique: bool = False,
    nan_for_constant: bool = False,
) -> Tensor:
    """Compute the exact AUC against non-fixations with the data set's spatial bias, e.g. the other images' fixations.

    This is pysaliency's ``AUCs(nonfixations="shuffled")`` with ``Nonfixations(...).others(index, size)``. Every
    non-fixation is weighted by its count, so that the cost does not grow with the number of non-fixations per pixel.

    Args:
        preds: Shape ``(B, H, W)``, any scale: only the order of the values counts. Or `Maps`.
        fixations: Points in pixels of the maps.
        nonfixations: Counts ``(B, H, W)``, or ``(1, H, W)`` for all images.
        unique: Count each fixated pixel once instead of every fixation.
        nan_for_constant: NaN instead of 1/2 where the prediction is constant.

    Returns:
        Shape ``(B,)``, float64, in [0, 1]; 1/2 is chance, NaN for an image without fixations or without non-fixations.

    Raises:
        TypeError: If `fixations` is not a FixationBatch or `nonfixations` not a FixationMap.
        ValueError: If a fixation lies outside the map, sizes differ, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[0.0, 1.0, 2.0]]])
        >>> fixations = FixationBatch.from_points([torch.tensor([[1.0, 0.0]])])
        >>> shuffled_auc(preds, fixations, FixationMap(torch.tensor([[[3, 0, 1]]]))).item()    # beats 3 of 4
        0.75
    """
    maps, points = placed(preds, fixations)
    counts = counts_for(nonfixations, maps)
    below, level, negatives = maps.ranks(points).weigh(counts)
    return _auc(maps, points, below, level, negatives, unique, nan_for_constant)


def auc_judd(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    *,
    ties: Ties = "jitter_mean",
    unique: bool = True,
    nan_for_constant: bool = False,
    half_for_constant: bool = True,
) -> Tensor:
    """Compute AUC-Judd: negatives are the pixels without fixation, thresholds are the values at the fixations.

    Args:
        preds: Shape ``(B, H, W)``, any scale: only the order of the values counts. Or `Maps`.
        fixations: Points in pixels of the maps.
        ties: ``jitter_mean``: the mean over the MIT code's random jitter, in closed form; without ties its value
            without jitter. ``diagonal``: pysaliency without jitter, one segment per tied group. ``pessimistic``: the
            MIT code without jitter, with the negatives of a tied group first.
        unique: Count each fixated pixel once (always in the MIT code) instead of every fixation; the closed form is
            defined for unique fixations only.
        nan_for_constant: NaN where the prediction is constant.
        half_for_constant: 1/2 where the prediction is constant; otherwise the formula's value, 1/2 + 1 / (2N + 2).

    Returns:
        Shape ``(B,)``, float64, in [0, 1]. The value exceeds the exact AUC by FPR(lowest fixated value) / (2N). It is
        NaN for an image without fixations or with every pixel fixated.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation is outside the map, a value is not finite, or ``jitter_mean`` has repeated fixations.

    Example:
        >>> preds = torch.tensor([[[0.0, 1.0, 2.0]]])
        >>> auc_judd(preds, FixationBatch.from_points([torch.tensor([[1.0, 0.0]])])).item()    # (1 + AUC) / 2
        0.75
    """
    maps, points = placed(preds, fixations)
    below, level, negatives = _unfixated(maps, points)
    if ties == "jitter_mean":
        if not unique:
            raise ValueError("ties='jitter_mean' is a closed form for unique fixations: use unique=True")
        result = _auc(maps, points, below, level, negatives, True, False)
        result = result + _above_lowest(maps, points, below, level, negatives)
    elif ties in ("diagonal", "pessimistic"):
        result = _trapezoid(maps, points, below, level, negatives, unique, ties == "pessimistic")
    else:
        raise ValueError(f"ties must be 'jitter_mean', 'diagonal' or 'pessimistic', got {ties!r}")
    defined = points.mask.any(dim=1) & (negatives > 0)
    if nan_for_constant or half_for_constant:
        result = torch.where(maps.constant, torch.nan if nan_for_constant else 0.5, result)
    return torch.where(defined, result, torch.nan)


def counts_for(nonfixations: FixationMap, maps: Maps) -> Tensor:
    """Return non-fixation counts as ``(B, H*W)`` integers that match the maps; raise as `shuffled_auc` does."""
    if not isinstance(nonfixations, FixationMap):
        raise TypeError(f"nonfixations must be a FixationMap of counts, got {type(nonfixations).__name__}")
    counts = nonfixations.counts
    if tuple(counts.shape[1:]) != maps.size or counts.shape[0] not in (1, len(maps)):
        raise ValueError(f"preds have shape {(len(maps), *maps.size)}, nonfixations have {tuple(counts.shape)}")
    if counts.device != maps.values.device:
        raise ValueError(f"preds are on {maps.values.device}, nonfixations on {counts.device}")
    counts = counts if counts.dtype in (torch.int32, torch.int64) else counts.to(torch.int32)  # room for sums
    return counts.reshape(counts.shape[0], -1).expand(len(maps), -1)


def _auc(
    maps: Maps, points: Points, below: Tensor, level: Tensor, negatives: Tensor, unique: bool, nan_for_constant: bool
) -> Tensor:
    result = points.average((below + level / 2) / negatives[:, None], unique)
    return torch.where(maps.constant, torch.nan, result) if nan_for_constant else result


def _unfixated(maps: Maps, points: Points) -> tuple[Tensor, Tensor, Tensor]:
    """Count the unfixated pixels below and equal to each fixated value, and all unfixated pixels."""
    below, level, pixels = maps.ranks(points).weigh()
    at = maps.at(points)
    fixated = torch.where(points.first, at, torch.inf).sort(dim=1).values
    fixated_below = torch.searchsorted(fixated, at.contiguous())
    fixated_level = torch.searchsorted(fixated, at.contiguous(), right=True) - fixated_below
    return below - fixated_below, level - fixated_level, pixels - points.count(unique=True)


def _above_lowest(maps: Maps, points: Points, below: Tensor, level: Tensor, negatives: Tensor) -> Tensor:
    """Compute the area that thresholds at the fixations add: the last segment to (1, 1), in expectation over jitter."""
    at = torch.where(points.first, maps.at(points), torch.inf)
    if at.shape[1] == 0:
        return torch.zeros_like(negatives)
    lowest, where = at.min(dim=1, keepdim=True)
    tied = ((at == lowest) & points.first).sum(dim=1)
    level = level.gather(1, where).squeeze(1)
    above = negatives - below.gather(1, where).squeeze(1) - level
    return (above + level * tied / (tied + 1)) / negatives / (2 * points.count(unique=True))


def _trapezoid(
    maps: Maps, points: Points, below: Tensor, level: Tensor, negatives: Tensor, unique: bool, pessimistic: bool
) -> Tensor:
    """Compute the area under the curve through one point per fixation, from the highest fixated value down."""
    chosen = points.chosen(unique)
    at, order = torch.where(chosen, maps.at(points), -torch.inf).sort(dim=1, descending=True)
    chosen, count = chosen.gather(1, order), chosen.sum(dim=1, keepdim=True)
    step = torch.arange(1, at.shape[1] + 1, device=at.device, dtype=torch.float64)
    false = negatives[:, None] - below.gather(1, order)  # negatives at or above the threshold
    # reached: fixations at or above the threshold, the first entry of the ascending negated values that exceeds it
    reached = torch.searchsorted((-at).contiguous(), (-at).contiguous(), right=True).to(torch.float64)
    if pessimistic:  # fixated pixels of the tied group that are not yet hits count as false alarms
        false, reached = false + reached - step, step.expand_as(reached)
    ones = torch.ones_like(count, dtype=torch.float64)
    x = torch.cat([0 * ones, torch.where(chosen, false / negatives[:, None], 1.0), ones], dim=1)
    y = torch.cat([0 * ones, torch.where(chosen, reached / count, 1.0), ones], dim=1)
    return torch.trapezoid(y, x, dim=1)
