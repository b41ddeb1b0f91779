"""Compute the first pool: the maps of an image that are filtered."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from explainsal.functional.images import as_computed

# Rows: luminance (Rec. 601), red against green, blue against yellow: the opponent axes of early vision, unscaled, since
# candidates are compared in their own units.
_AXES = {
    "luminance": ((0.299, 0.587, 0.114),),
    "opponent": ((0.299, 0.587, 0.114), (1.0, -1.0, 0.0), (-0.5, -0.5, 1.0)),
}
INPUT_MAP_NAMES = ("luminance", "red-green", "blue-yellow")


def input_maps(images: Tensor, kind: str = "luminance") -> Tensor:
    """Return the maps of an image from which the first candidates are computed.

    The paper filters "the input image" without naming its maps; luminance is our literal reading.

    Args:
        images: Shape ``(B, C, H, W)``; 8-bit images are divided by 255. Images that are not RGB have one map, the
            mean of their channels, whatever the kind.
        kind: ``"luminance"`` (.299, .587, .114), or ``"opponent"``: luminance, R - G, and B - (R + G) / 2.

    Returns:
        Shape ``(B, 1, H, W)`` or ``(B, 3, H, W)``, float32 (float64 for float64 images).

    Raises:
        ValueError: If the kind is unknown.

    Example:
        >>> round(input_maps(torch.ones(1, 3, 1, 1)).item(), 6), input_maps(torch.ones(1, 2, 1, 1)).item()
        (1.0, 1.0)
        >>> input_maps(torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1), "opponent").flatten().tolist()[1:]
        [1.0, -0.5]
    """
    if kind not in _AXES:
        raise ValueError(f"input_maps must be one of {', '.join(map(repr, _AXES))}; got {kind!r}")
    images = as_computed(images) if images.is_floating_point() else images.float() / 255
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    return (images[:, None] * _axes(kind, images.dtype, images.device)[:, :, None, None]).sum(2)


@lru_cache(maxsize=8)
def _axes(kind: str, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the axes, cached since a copy to an accelerator waits for all of its work."""
    with torch.inference_mode(False):  # otherwise unusable outside inference mode
        return torch.tensor(_AXES[kind], dtype=dtype, device=device)
