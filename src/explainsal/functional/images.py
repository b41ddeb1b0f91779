"""Images and maps on the way into a network and out of it: number format and size."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def as_unit_float(images: Tensor) -> Tensor:
    """Images as float32 in [0, 1]: 8-bit images are divided by 255, floating-point ones are taken as they are.

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
    """Maps in the number format of the computation: float32, or float64 where the network has that."""
    return maps.detach().to(torch.float64 if maps.dtype == torch.float64 else torch.float32)


def resize(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize ``(B, C, H, W)`` bilinearly (half-pixel centres), with antialiasing where it shrinks.

    The one resizing between stimuli, networks and predictions (Eq. 2 has a plain one); maps of equal size come back
    untouched. Maps of 16 bits, from training in mixed precision, come back in 32: between two of them lie several new
    values, and PyTorch cannot resize them on a CPU.
    """
    if maps.dtype in (torch.bfloat16, torch.float16):
        maps = maps.float()
    if not torch.compiler.is_exporting() and tuple(maps.shape[-2:]) == tuple(size):  # an exported graph takes any size
        return maps
    return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
