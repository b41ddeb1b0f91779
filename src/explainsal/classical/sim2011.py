"""Saliency estimation from a non-parametric low-level vision model (Murray, Vanrell, Otazu & Parraga, CVPR 2011)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.classical import induction
from explainsal.classical.base import ClassicalModel
from explainsal.classical.induction import Planes, Sensitivity

INTENSITY = Sensitivity(4.981624, 1.021035, 1.048155, 0.212226, 4.0, 4.530974)
COLOR = Sensitivity(3.611746, 1.360638, 0.796124, 0.348766, 4.724440, 5.059210)
_CENTRE, _SURROUND = 13, 26
_MOST_LEVELS = 7


class SIM2011(ClassicalModel):
    """SIM: center-surround contrast in wavelet planes, weighted by contrast sensitivity and transformed back.

    This is neither the metric SIM nor the later `SIMGrouping`, which tables in papers refer to.

    Example:
        >>> images = torch.full((1, 3, 128, 160), 0.5)
        >>> images[..., 56:72, 100:116] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> saliency_map = SIM2011()(images)[0, 0]
        >>> bool(saliency_map[56:72, 100:116].mean() > 1.5 * saliency_map.mean())
        True
    """

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map at the size of the images, integers 0..255."""
        return induction.to_bytes(self.raw(images))

    def raw(self, images: Tensor) -> Tensor:
        """Return the map before rounding to 8 bits, ``(B, H, W)``."""
        height, width = int(images.shape[2]), int(images.shape[3])
        levels = max(1, min(_MOST_LEVELS, int(math.log2(min(height, width)))))  # at least one level
        planes = induction.opponent(images)
        channels = []
        for channel, sensitivity in enumerate((COLOR, COLOR, INTENSITY)):
            residual, weights = induction.to_square(planes[:, channel]), []
            for scale in range(1, levels + 1):
                detail, residual = _decompose(residual)
                weights.append(_weigh(detail, sensitivity, scale))
            channels.append(induction.rebuild(weights))
        return induction.combine(torch.stack(channels, dim=1), (height, width))[1]


def _decompose(image: Tensor) -> tuple[Planes, Tensor]:
    """Compute a level of the decimated transform: the three detail planes, and the image at half the size."""
    blurred_x = induction.smooth_x(image)
    detail_x = image - 2 * induction.smooth_x(_without_odd(blurred_x, -1))
    horizontal = 2 * induction.smooth_y(_without_odd(induction.smooth_y(detail_x), -2))
    blurred = induction.smooth_y(blurred_x)
    vertical = blurred_x - 2 * induction.smooth_y(_without_odd(blurred, -2))
    low = blurred[..., ::2, ::2]
    diagonal = image - (induction.enlarge(low) + horizontal + vertical)
    return (horizontal, vertical, diagonal), low


def _without_odd(maps: Tensor, dim: int) -> Tensor:
    maps = maps.clone()
    (maps if dim == -1 else maps.transpose(-1, -2))[..., 1::2] = 0
    return maps


def _weigh(planes: Planes, sensitivity: Sensitivity, scale: int) -> Planes:
    energies = [plane.square() for plane in planes]
    across = induction.centre_and_surround(energies[0], _CENTRE, _SURROUND, (0, 1))
    down = induction.centre_and_surround(energies[1], _CENTRE, _SURROUND, (1, 0))
    one = induction.centre_and_surround(energies[2], _CENTRE, _SURROUND, (1, 1))
    other = induction.centre_and_surround(energies[2].flip(-1), _CENTRE, _SURROUND, (1, 1))
    crossed = one[0] + other[0].flip(-1) - energies[2], one[1] + other[1].flip(-1)  # the middle pixel counts once
    counts = ((_CENTRE, 2 * _SURROUND), (_CENTRE, 2 * _SURROUND), (2 * _CENTRE - 1, 4 * _SURROUND))
    weighted = []
    for (centre, surround), (inner, outer) in zip((across, down, crossed), counts, strict=True):
        ratio = ((centre / inner) / (surround / outer + 1e-6)).square()
        weighted.append(sensitivity(ratio / (1 + ratio), scale))
    return weighted[0], weighted[1], weighted[2]
