"""Metrics of the values at the fixations: NSS, information gain, log-likelihood."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.functional.metrics.maps import Maps, Normalization, placed
from explainsal.functional.metrics.points import Points
from explainsal.types import FixationBatch


def nss(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    *,
    unique: bool = False,
    ddof: int = 0,
    nan_for_constant: bool = False,
) -> Tensor:
    """Compute the normalized scanpath saliency: the mean of the standardised map at the fixations.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        fixations: Points in pixels of the maps.
        unique: Count each fixated pixel once (MIT code) instead of every fixation.
        ddof: The variance is divided by ``H*W - ddof``: 0 in pysaliency, 1 in the MIT code.
        nan_for_constant: NaN instead of 0 where the prediction is constant.

    Returns:
        Shape ``(B,)``, float64; higher is better, 0 is chance, NaN for an image without fixations.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation lies outside the map, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[0.0, 0.0, 0.0, 4.0]]])                  # mean 1, variance 3
        >>> round(nss(preds, FixationBatch.from_points([torch.tensor([[3.2, 0.0]])])).item(), 4)
        1.7321
    """
    maps, points = placed(preds, fixations)
    deviation = (maps.squares / (maps.pixels - ddof)).sqrt()
    scores = (maps.at(points) - maps.mean[:, None]) / deviation[:, None]
    scores = torch.where(maps.constant[:, None], torch.nan if nan_for_constant else 0.0, scores)
    return points.average(scores, unique)


def information_gain(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    baseline: Tensor | Maps | None = None,
    *,
    normalization: Normalization = "sum",
    offset: float = 0.0,
    eps: float = 0.0,
    unique: bool = False,
    nan_for_constant: bool = False,
) -> Tensor:
    r"""Compute the information gain over a baseline: mean of :math:`\log_2(p_i + \epsilon) - \log_2(b_i + \epsilon)` at the fixations.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        fixations: Points in pixels of the maps.
        baseline: Shape ``(B, H, W)``, or ``(1, H, W)`` for all images, e.g. a center bias; None is uniform.
        normalization: Conversion of the maps to densities: ``sum`` (pysaliency) or ``minmax`` (MIT code).
        offset: Value added to both maps before their normalisation; 1e-20 is pysaliency's default for saliency maps.
        eps: The :math:`\epsilon` above: 0 in pysaliency, 2^-52 in the MIT code.
        unique: Count each fixated pixel once instead of every fixation.
        nan_for_constant: NaN where prediction or baseline is constant, instead of a uniform density.

    Returns:
        Shape ``(B,)``, float64, bits per fixation; -inf if a fixation has density 0; NaN without fixations.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation lies outside the map, sizes differ, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[1.0, 1.0, 2.0, 4.0]]])                   # density 1/2 at the fixation, uniform 1/4
        >>> information_gain(preds, FixationBatch.from_points([torch.tensor([[3.0, 0.0]])])).item()
        1.0
    """  # noqa: E501
    maps, points = placed(preds, fixations)
    gain = torch.log2(maps.density_at(points, normalization, offset) + eps)
    constant = maps.constant
    if baseline is None:
        gain = gain - math.log2(1 / maps.pixels + eps)
    else:
        base = _baseline(baseline, maps)
        gain = gain - torch.log2(base.density_at(points, normalization, offset) + eps)
        constant = constant | base.constant
    undefined = constant if nan_for_constant or normalization == "minmax" else torch.zeros_like(constant)
    return torch.where(undefined, torch.nan, points.average(gain, unique))


def log_likelihood(
    preds: Tensor | Maps,
    fixations: FixationBatch | Points,
    *,
    normalization: Normalization = "sum",
    offset: float = 0.0,
    unique: bool = False,
) -> Tensor:
    r"""Compute the mean log density at the fixations, :math:`\frac1N \sum_i \ln p(x_i)`, of densities that sum to 1.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        fixations: Points in pixels of the maps.
        normalization: Conversion of the maps to densities, see `Maps.density`.
        offset: Value added to the map before its normalisation.
        unique: Count each fixated pixel once instead of every fixation.

    Returns:
        Shape ``(B,)``, float64, nats per fixation; -inf if a fixation has density 0; NaN without fixations.

    Raises:
        TypeError: If `fixations` is not a FixationBatch.
        ValueError: If a fixation lies outside the map, or a value is NaN or infinite.

    Example:
        >>> preds = torch.ones(1, 2, 2)
        >>> round(log_likelihood(preds, FixationBatch.from_points([torch.zeros(1, 2)])).item(), 4)    # ln 1/4
        -1.3863
    """
    maps, points = placed(preds, fixations)
    return points.average(maps.density_at(points, normalization, offset).log(), unique)


def _baseline(baseline: Tensor | Maps, maps: Maps) -> Maps:
    base = Maps.of(baseline, "baseline")
    if base.size != maps.size or len(base) not in (1, len(maps)):
        raise ValueError(
            f"baseline has shape {(len(base), *base.size)}, preds have {(len(maps), *maps.size)}: "
            "give one baseline per image, or one of batch size 1 for all"
        )
    return base
