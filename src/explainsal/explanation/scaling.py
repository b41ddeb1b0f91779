"""Scaling of activations and candidates before they are compared."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.weighted import scale_rows


def scaled(
    maps: Tensor, scaling: str, out: Tensor | None = None, *, pixel_weights: Tensor | None = None, rooted: bool = False
) -> Tensor:
    """Scale maps for comparison; constant maps become 0 unless `scaling` is ``"none"``.

    Args:
        maps: Shape ``(B, n, H, W)``.
        scaling: As in :class:`~explainsal.explanation.options.Options`.
        out: Output array, which may be `maps`; None: a new one.
        pixel_weights: Shape ``(B, 1, H * W)``: pixel weights for the mean and variance of ``"standardize"``.
        rooted: Whether standardized maps are multiplied by the square roots of the weights.

    Example:
        >>> scaled(torch.tensor([[1.0, 3.0], [2.0, 2.0]])[:, None], "min_max").tolist()
        [[[0.0, 1.0]], [[0.0, 0.0]]]
    """
    if scaling == "none":
        return maps if out is None or out is maps else out.copy_(maps)
    if scaling == "standardize":
        flat = scale_rows(maps.flatten(-2), pixel_weights, None if out is None else out.flatten(-2), rooted=rooted)[0]
        return flat.reshape(maps.shape) if out is None else out
    low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
    result = torch.where(high > low, (maps - low) / (high - low), 0)
    return result if out is None else out.copy_(result)
