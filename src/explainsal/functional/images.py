"""Number format and size of a network's input images and output maps."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from explainsal.functional.kernels import row_kernels
from explainsal.functional.kernels.dispatch import loops_run

_PIXELS = 2**18  # pixels that plain PyTorch checks for NaN together on a CPU


def as_unit_float(images: Tensor) -> Tensor:
    """Convert images to floating point in [0, 1]: divide 8-bit images by 255, return floating-point ones unchanged.

    Raises:
        ValueError: If the images are integers other than uint8.

    Example:
        >>> as_unit_float(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([0., 1.])
    """
    if images.dtype == torch.uint8:
        return images.float() / 255
    if images.is_floating_point():
        return images
    raise ValueError(f"images must be uint8 (0..255) or floating point (0..1), got {images.dtype}")


def as_computed(maps: Tensor) -> Tensor:
    """Convert maps to the number format of the computation: float32, or float64 for a float64 network."""
    return maps.detach().to(torch.float64 if maps.dtype == torch.float64 else torch.float32)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(B, C, H, W)`` bilinearly (half-pixel centres), with antialiasing where it shrinks.

    Stimuli, network inputs and predictions are all resized by this function; the explanation (Eq. 2) uses plain
    bilinear resizing. Maps of equal size are returned unchanged. 16-bit maps from mixed-precision training are returned
    in 32 bits, because interpolated values need more precision and PyTorch cannot resize 16-bit maps on a CPU.
    """
    if maps.dtype in (torch.bfloat16, torch.float16):
        maps = maps.float()
    if not torch.compiler.is_exporting() and tuple(maps.shape[-2:]) == tuple(size):  # an exported graph takes any size
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


def finite_maps(maps: Tensor) -> Tensor:
    """Return whether all values of each map ``(B, A, H, W)`` are finite: ``(B, A)``, bool.

    Example:
        >>> finite_maps(torch.tensor([1.0, torch.nan, torch.inf]).reshape(1, 3, 1, 1)).tolist()
        [[True, False, False]]
    """
    if loops_run(maps):
        return row_kernels.finite(maps.flatten(0, 1).flatten(1)).reshape(maps.shape[:2])
    step = max(1, _PIXELS // maps[:, 0].numel()) if maps.device.type == "cpu" else maps.shape[1]
    return torch.cat([some.isfinite().flatten(-2).all(-1) for some in maps.split(step, dim=1)], dim=1)
