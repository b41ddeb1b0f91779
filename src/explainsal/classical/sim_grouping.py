"""Low-level spatiochromatic grouping for saliency estimation (Murray, Vanrell, Otazu & Parraga, PAMI 2013)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.classical import induction
from explainsal.classical.base import ClassicalModel
from explainsal.classical.induction import Planes, Sensitivity
from explainsal.classical.matlab import imresize, pad, rounded

_REDUCTION = 2
"""Octaves of the initial reduction; the sensitivity is shifted by the same number of scales."""
_INTENSITY_PEAK, _COLOR_PEAK = 3.7655 - _REDUCTION, 3.3655 - _REDUCTION
INTENSITY = Sensitivity(4.981624, 1.021035, 1.048155, 0.212226, _INTENSITY_PEAK, _INTENSITY_PEAK + 0.530974)
COLOR = Sensitivity(3.611746, 1.360638, 0.796124, 0.348766, _COLOR_PEAK + 0.724440, _COLOR_PEAK + 1.059210)
_CENTRE, _SURROUND = 17, 37
_SMALLEST = 4


class SIMGrouping(ClassicalModel):
    """SIM with grouplets: wavelet planes are decomposed again along their contours ("SIMgrouping").

    Example:
        >>> images = torch.full((1, 3, 128, 160), 0.5)
        >>> images[..., 56:72, 100:116] = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
        >>> saliency_map = SIMGrouping()(images)[0, 0]
        >>> bool(saliency_map[56:72, 100:116].mean() > 1.5 * saliency_map.mean())
        True
    """

    def saliency(self, images: Tensor) -> Tensor:
        """Return the map at the size of the images, integers 0..255."""
        size = int(images.shape[2]), int(images.shape[3])
        return induction.to_bytes(imresize(self.channels(images)[1], size))

    def channels(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps of red-green, yellow-blue and intensity, ``(B, 3, h, w)``, and their norm ``(B, h, w)``."""
        size = tuple(max(rounded(int(side) / 2**_REDUCTION), 1) for side in images.shape[2:])
        small = imresize(induction.opponent(images), (size[0], size[1]), "bilinear")
        channels = []
        for channel, sensitivity in enumerate((COLOR, COLOR, INTENSITY)):
            residual, weights, scale = induction.to_square(small[:, channel]), [], 0
            while scale == 0 or residual.shape[-1] >= _SMALLEST:
                scale += 1
                detail, residual = _decompose(residual)
                weights.append(_weigh(detail, sensitivity, scale))
            channels.append(induction.rebuild(weights))
        return induction.combine(torch.stack(channels, dim=1), (size[0], size[1]))


def _decompose(image: Tensor) -> tuple[Planes, Tensor]:
    """Compute a level of the undecimated transform: the three detail planes, and the image at half the size."""
    along_x, along_y = induction.smooth_x(image), induction.smooth_y(image)
    low = induction.smooth_y(along_x)
    horizontal, vertical = along_y - low, along_x - low
    return (horizontal, vertical, image - (low + horizontal + vertical)), low[..., ::2, ::2]


def _weigh(planes: Planes, sensitivity: Sensitivity, scale: int) -> Planes:
    def weight(plane: Tensor) -> Tensor:
        return _grouplets(plane, sensitivity, scale)

    horizontal, vertical, diagonal = planes
    return (
        weight(horizontal.mT).mT,
        weight(vertical),
        weight(diagonal) + weight(diagonal.mT).mT,
    )


def _grouplets(plane: Tensor, sensitivity: Sensitivity, scale: int) -> Tensor:
    """Return the contrast weights summed over the levels of the grouplet transform, ``(B, n, n)``."""
    size = int(plane.shape[-2]), int(plane.shape[-1])
    total, rest = torch.zeros_like(plane), plane
    for level in range(1, int(math.log2(size[0])) + 1):
        if min(rest.shape[-2:]) <= 2:
            rest = detail = torch.zeros_like(plane[..., :1, :1])
        else:
            rest, detail = _associate(rest)
            detail = detail / 2**level
        total = total + imresize(sensitivity(_contrast(detail), scale), size)
    return total


def _associate(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Match each odd column with the preceding even column by row: return means and differences.

    The partner of a pixel is one of three: in its row, the row above, and the row below. The one with the most similar
    3x3 neighborhood is chosen; in a tie the pixel's own row comes first, then the row above.
    """
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    around = pad(maps, (2, 2), (2, 2), "reflect")  # pixel (y, x) is at (y + 2, x + 2)

    def column_pairs(row: int, column: int) -> Tensor:
        """Return samples at (y + row, x + column) for every y and odd x."""
        return around[..., 2 + row : 2 + row + height, 3 + column : 3 + column + width - 1 : 2]

    def unlikeness(shift: int) -> Tensor:
        parts = [
            (column_pairs(dy, dx) - column_pairs(dy + shift, dx - 1)).abs() for dy in (-1, 0, 1) for dx in (-1, 0, 1)
        ]
        return torch.stack(parts).sum(dim=0)

    best, matched = unlikeness(0), column_pairs(0, -1)
    for shift in (-1, 1):
        cost = unlikeness(shift)
        matched = torch.where(cost < best, column_pairs(shift, -1), matched)
        best = torch.minimum(cost, best)
    own = column_pairs(0, 0)
    return (matched + own) / 2, matched - own


def _contrast(detail: Tensor) -> Tensor:
    """Return the center's share of the squared deviations along columns; 33 and 148 are the published numbers."""

    def windows(maps: Tensor) -> tuple[Tensor, Tensor]:
        return induction.centre_and_surround(maps, _CENTRE, _SURROUND, (1, 0))

    centre_sum, surround_sum = windows(detail)
    centre, _ = windows((detail - centre_sum / _CENTRE).square())
    _, surround = windows((detail - surround_sum / (2 * _SURROUND)).square())
    centre, surround = (centre / 33).square(), (surround / 148).square()
    return centre / (centre + surround + 1e-12)
