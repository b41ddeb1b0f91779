"""Metrics of a saliency map against a fixation density: SIM, CC, KLD."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.metrics.maps import Maps, Normalization, paired
from explainsal.functional.types import DensityMap

EPS_PYSALIENCY = 2.2204e-16
"""The literal in pysaliency's and the Tuebingen benchmark's KLD; MATLAB's ``eps`` is 2^-52 = 2.220446e-16."""


def sim(
    preds: Tensor | Maps,
    target: DensityMap | Maps,
    *,
    normalization: Normalization = "sum",
    nan_for_constant: bool = False,
) -> Tensor:
    r"""Similarity, or histogram intersection: :math:`\sum_i \min(p_i, g_i)` of two densities.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        target: Fixation densities of the same shape.
        normalization: How both maps become densities: ``sum`` (pysaliency, Tuebingen) or ``minmax`` (MIT code).
        nan_for_constant: NaN where either map is constant, instead of a uniform density.

    Returns:
        Shape ``(B,)``, float64, in [0, 1]; 1 is best.

    Raises:
        TypeError: If `target` is not a DensityMap.
        ValueError: If sizes differ, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[1.0, 3.0]]])
        >>> sim(preds, DensityMap(torch.tensor([[[1, 1]]]))).item()    # min(.25, .5) + min(.75, .5)
        0.75
    """
    maps, densities = paired(preds, target)
    parts = [
        torch.minimum(maps.density(normalization, columns=b), densities.density(normalization, columns=b)).sum(dim=1)
        for b in maps.blocks()
    ]
    result = torch.stack(parts).sum(dim=0)
    return _mask(result, maps.constant | densities.constant, nan_for_constant)


def cc(preds: Tensor | Maps, target: DensityMap | Maps, *, nan_for_constant: bool = False) -> Tensor:
    """Pearson's correlation coefficient over pixels.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        target: Fixation densities of the same shape.
        nan_for_constant: NaN instead of 0 where the prediction is constant. A constant target is NaN either way, as in
            pysaliency and the MIT code: no prediction could be right or wrong about it.

    Returns:
        Shape ``(B,)``, float64, in [-1, 1]; 1 is best.

    Raises:
        TypeError: If `target` is not a DensityMap.
        ValueError: If sizes differ, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]]])
        >>> cc(preds, DensityMap(torch.tensor([[[10, 20, 30]], [[10, 20, 30]]]))).round(decimals=12).tolist()
        [1.0, 0.0]
    """
    maps, densities = paired(preds, target)
    parts = []
    for block in maps.blocks():
        p, g = maps.centered(block), densities.centered(block)
        parts.append(torch.stack([p.square().sum(dim=1), g.square().sum(dim=1), p.mul_(g).sum(dim=1)]))
    maps.squares, densities.squares, products = torch.stack(parts).sum(dim=0)  # nss wants them too
    result = (products / (maps.squares.sqrt() * densities.squares.sqrt())).clamp(-1, 1)
    result = torch.where(maps.constant, 0.0, result)
    return _mask(_mask(result, densities.constant, True), maps.constant, nan_for_constant)


def kl_div(
    preds: Tensor | Maps,
    target: DensityMap | Maps,
    *,
    normalization: Normalization = "sum",
    eps: float = EPS_PYSALIENCY,
    offset: float = 0.0,
    nan_for_constant: bool = False,
) -> Tensor:
    r"""Kullback-Leibler divergence of the prediction from the density: :math:`\sum_i g_i \ln(\epsilon + g_i / (p_i + \epsilon))`.

    Args:
        preds: Shape ``(B, H, W)``, any scale, or `Maps`.
        target: Fixation densities of the same shape.
        normalization: How both maps become densities: ``sum`` (pysaliency, Tuebingen) or ``raw`` (MIT code, which
            does not shift negative maps: its value on log-densities means nothing).
        eps: The two :math:`\epsilon` above. 0 with ``offset=1e-20`` is pysaliency's `image_based_kl_divergence`.
        offset: Added to both maps before they are normalised.
        nan_for_constant: NaN where either map is constant, instead of a uniform density.

    Returns:
        Shape ``(B,)``, float64, nats; 0 is best (down to -1e-13 by `eps`).

    Raises:
        TypeError: If `target` is not a DensityMap.
        ValueError: If sizes differ, or a value is NaN or infinite.

    Example:
        >>> preds = torch.tensor([[[1.0, 3.0]]])
        >>> round(kl_div(preds, DensityMap(torch.tensor([[[1, 1]]]))).item(), 4)    # .5 ln 2 + .5 ln (2/3)
        0.1438
    """  # noqa: E501
    maps, densities = paired(preds, target)
    parts = [
        _divergence(maps.density(normalization, offset, b), densities.density(normalization, offset, b), eps)
        for b in maps.blocks()
    ]
    return _mask(torch.stack(parts).sum(dim=0), maps.constant | densities.constant, nan_for_constant)


def _divergence(p: Tensor, g: Tensor, eps: float) -> Tensor:
    ratio = torch.div(g, p.add_(eps), out=p).add_(eps) if eps else g / p
    return ratio.log_().mul_(g).sum(dim=1)


def _mask(result: Tensor, where: Tensor, to_nan: bool) -> Tensor:
    return torch.where(where, torch.nan, result) if to_nan else result
