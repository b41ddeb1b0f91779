"""Graph-based visual saliency (Harel, Koch & Perona, NIPS 2006)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import torch
from torch import Tensor

from explainsal.classical.base import ClassicalModel
from explainsal.classical.itti import fade, halve, intensity_and_orientation
from explainsal.classical.matlab import blur, imresize, min_max, rounded

LEVELS = (2, 3, 4)
SIZE = 32  # longer side of the graphs' maps
POWER = 1.5
_TO_DKL = (  # from linear RGB to luminance, red-green, blue-yellow
    (0.4252, 1.4304, 0.1444),
    (0.8273, -0.5912, -0.2360),
    (0.2267, 0.7064, -0.9329),
)


class GBVS(ClassicalModel):
    """Equilibrium of a random walk on each feature map, with larger weights between different, nearby pixels.

    The original finds the equilibrium by power iteration, stopped at 1e-4. The edge weights are symmetric, so the
    equilibrium has a closed form: each node's share of the total edge weight. This class computes the closed form.

    The original's gamma table is unlicensed data, so the sRGB curve replaces it (CC 0.996 with the original's maps,
    docs/decisions/0021).

    Args:
        spread: Standard deviation of the edges' Gaussian relative to the mean side of the map.
        blur_fraction: Sigma of the final blur relative to the longer side of the map; 0 skips the blur.

    Example:
        >>> disc = (torch.arange(160)[:, None] - 60) ** 2 + (torch.arange(240) - 150) ** 2 < 15**2
        >>> images = torch.stack([disc, torch.zeros_like(disc), torch.zeros_like(disc)]).float()[None]
        >>> row, column = divmod(GBVS()(images).argmax().item(), 240)
        >>> abs(row - 60) < 20, abs(column - 150) < 20
        (True, True)
    """

    def __init__(self, spread: float = 0.15, blur_fraction: float = 0.02) -> None:
        super().__init__()
        self.spread = spread
        self.blur_fraction = blur_fraction

    def saliency(self, images: Tensor) -> Tensor:
        """Return the master map, with a longer side of 32 pixels and values in 0..1."""
        height, width = int(images.shape[2]), int(images.shape[3])
        scale = SIZE / max(height, width)
        size = max(rounded(height * scale), 1), max(rounded(width * scale), 1)
        nearness = _nearness(size, self.spread).to(images)
        master = torch.zeros(len(images), *size, dtype=images.dtype, device=images.device)
        for features in _features(images):
            for feature in imresize(features, size).unbind(dim=1):
                master += equilibrium(min_max(feature), nearness) ** POWER
        master = min_max(fade(master, 4))
        if self.blur_fraction:
            sigma = self.blur_fraction * max(size)
            master = min_max(blur(master, 2 * rounded(2 * sigma) + 1, sigma, "replicate"))
        return master


def equilibrium(maps: Tensor, nearness: Tensor) -> Tensor:
    """Return the equilibrium of a random walk with step weights ``|map_i - map_j| * nearness_ij``.

    Args:
        maps: Shape ``(B, h, w)``.
        nearness: Shape ``(h*w, h*w)``, symmetric.

    Returns:
        Shape ``(B, h, w)``, sum 1. A constant map has no step weights; its equilibrium is uniform.
    """
    values = maps.flatten(1)
    weight = torch.stack([((v[:, None] - v) * nearness).abs_().sum(dim=1) for v in values])  # one map: n^2 numbers
    total = weight.sum(dim=1, keepdim=True)
    share = torch.where(total > 0, weight / torch.where(total > 0, total, 1.0), 1 / weight.shape[1])
    return share.reshape(maps.shape)


@lru_cache(maxsize=8)
def _nearness(size: tuple[int, int], spread: float) -> Tensor:
    """Return the Gaussian of the distance of every two pixels, ``(h*w, h*w)``, float64."""
    rows, columns = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) for n in size), indexing="ij")
    squared = sum((axis.flatten()[:, None] - axis.flatten()) ** 2 for axis in (rows, columns))
    sigma = spread * sum(size) / 2
    return torch.exp(-torch.as_tensor(squared) / (2 * sigma**2))


def _features(images: Tensor) -> Iterator[Tensor]:
    """Yield feature maps ``(B, 8, h, w)`` of each level: three of color, the intensity, four orientations."""
    planes = torch.cat([to_dkl(images), images.amax(dim=1, keepdim=True)], dim=1)
    for level in range(1, max(LEVELS) + 1):
        planes = halve(planes)
        if level in LEVELS:
            intensity, orientation = intensity_and_orientation(planes[:, 3])
            yield torch.cat([planes[:, :3], intensity, orientation], dim=1)


def to_dkl(images: Tensor) -> Tensor:
    """Convert sRGB images ``(B, 3, H, W)`` in [0, 1] to the axes of Derrington, Krauskopf & Lennie."""
    linear = torch.where(images <= 0.04045, images / 12.92, ((images + 0.055) / 1.055) ** 2.4)
    return torch.einsum("dc,bchw->bdhw", torch.tensor(_TO_DKL).to(images), linear)
