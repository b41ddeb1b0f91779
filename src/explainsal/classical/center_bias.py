"""Center bias learned from the fixations of other images: a baseline that ignores the image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.classical.matlab import blur

GRID = 128


class CenterBias(nn.Module):
    """Kernel density of training fixations on a unit square.

    Coordinates are divided by width and height, so images of any size share one density. It is resampled bilinearly
    to the requested size and sums to 1 there.

    Args:
        grid: Shape ``(G, G)``, density on the unit square, rows from the top.

    Example:
        >>> bias = CenterBias.fit([torch.tensor([[20.0, 15.0]]), torch.tensor([[400.0, 300.0]])], [(30, 40), (600, 800)])
        >>> saliency_map = bias(torch.rand(2, 3, 60, 80))
        >>> saliency_map.shape, divmod(saliency_map[1, 0, :30, :40].argmax().item(), 40)    # both at the center
        (torch.Size([2, 1, 60, 80]), (29, 39))
    """  # noqa: E501

    grid: Tensor

    def __init__(self, grid: Tensor) -> None:
        super().__init__()
        self.register_buffer("grid", grid.to(torch.float64))

    @classmethod
    def fit(
        cls,
        points: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        *,
        bandwidth: float = 0.04,
        uniform: float = 0.01,
    ) -> CenterBias:
        """Estimate the density from fixations, e.g. of a training split.

        Args:
            points: One ``(N_i, 2)`` array of (x, y) in pixels per image.
            sizes: Height and width of each image.
            bandwidth: Standard deviation of the Gaussian kernel, as a fraction of width and height: 0.04 is 24 px of
                600, about one degree of visual angle in the data sets' set-ups.
            uniform: Share of a uniform density mixed in, so that no fixation has density 0.

        Raises:
            ValueError: If there are no fixations, one is NaN or outside its image, or an option is out of range.
        """
        _check(bandwidth, uniform)
        return cls(_density(_total(_pairs(points, sizes)), bandwidth, uniform))

    def density(self, size: tuple[int, int]) -> Tensor:
        """Return the density on an image grid, shape ``(H, W)``, float64, sum 1."""
        resized = F.interpolate(self.grid[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        return resized / resized.sum()

    def forward(self, images: Tensor) -> Tensor:
        """Return the same map for every image: ``(B, 3, H, W)`` to ``(B, 1, H, W)``, float32, maximum 1."""
        density = self.density((int(images.shape[2]), int(images.shape[3])))
        return (density / density.max()).float().expand(images.shape[0], 1, -1, -1).clone()


class LeaveOneOutCenterBias(nn.Module):
    """Center bias of each image of a data set, learned from all other images.

    It is for data sets without a training split, and is the strictest baseline of information gain.

    Args:
        points: One ``(N_i, 2)`` array of (x, y) in pixels per image.
        sizes: Height and width of each image.
        bandwidth: See `CenterBias.fit`.
        uniform: See `CenterBias.fit`.

    Raises:
        ValueError: See `CenterBias.fit`; also if one image has all the fixations.

    Example:
        >>> points = [torch.tensor([[20.0, 15.0]]), torch.tensor([[5.0, 5.0]])]
        >>> bias = LeaveOneOutCenterBias(points, [(30, 40), (30, 40)])
        >>> [divmod(d.argmax().item(), 40) for d in bias.density((30, 40), torch.tensor([0, 1]))]
        [(5, 5), (15, 20)]
    """

    needs_index = True

    def __init__(
        self,
        points: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        *,
        bandwidth: float = 0.04,
        uniform: float = 0.01,
    ) -> None:
        super().__init__()
        _check(bandwidth, uniform)
        self._own, self._bandwidth, self._uniform = _pairs(points, sizes), bandwidth, uniform
        self._total = _total(self._own)
        if any(len(p) == self._total.sum() for p, _ in self._own):
            raise ValueError("leaving an image out leaves no fixation: a center bias needs two images with fixations")

    def __deepcopy__(self, memo: dict[int, object]) -> LeaveOneOutCenterBias:
        return self  # read-only and large: it holds all fixations

    def density(self, size: tuple[int, int], index: Tensor) -> Tensor:
        """Return densities ``(B, H, W)``, float64, sum 1, for the images at the given positions in the data set.

        Raises:
            ValueError: If a position is unknown (-1).
        """
        if bool((index < 0).any()):
            raise ValueError("a leave-one-out center bias needs the images' positions in the data set: give index=...")
        grids = [self._total - _counts(*self._own[i]) for i in index.tolist()]
        return torch.stack([CenterBias(_density(g, self._bandwidth, self._uniform)).density(size) for g in grids])

    def forward(self, images: Tensor, index: Tensor) -> Tensor:
        """Return maps ``(B, 1, H, W)``, float32, of images ``(B, 3, H, W)`` at the given positions in the data set."""
        density = self.density((int(images.shape[2]), int(images.shape[3])), index)
        return (density / density.amax(dim=(1, 2), keepdim=True)).float().unsqueeze(1).to(images.device)


def _pairs(points: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> list[tuple[Tensor, tuple[int, int]]]:
    if len(points) != len(sizes):
        raise ValueError(f"{len(points)} sets of points, but {len(sizes)} sizes")
    each = [torch.as_tensor(p, dtype=torch.float64).reshape(-1, 2) for p in points]
    if not any(len(p) for p in each):
        raise ValueError("a center bias needs at least one fixation to learn from")
    return list(zip(each, sizes, strict=True))


def _check(bandwidth: float, uniform: float) -> None:
    if not bandwidth > 0 or not 0 <= uniform < 1:
        raise ValueError(f"bandwidth must be positive and uniform in [0, 1), got {bandwidth} and {uniform}")


def _total(pairs: Sequence[tuple[Tensor, tuple[int, int]]]) -> Tensor:
    """Count the fixations of all images per cell, one image at a time: 10,000 grids at once would be 1.3 GB."""
    total = torch.zeros(GRID, GRID, dtype=torch.float64)
    for points, size in pairs:
        if len(points):
            total += _counts(points, size)
    return total


def _counts(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Count fixations per cell of the unit square's grid."""
    unit = points / torch.tensor([size[1], size[0]])
    if not bool(((unit >= 0) & (unit < 1)).all()):
        raise ValueError("fixations are NaN or outside their image; clip or drop them first")
    column, row = (unit * GRID).long().clamp(max=GRID - 1).unbind(dim=1)
    return torch.bincount(row * GRID + column, minlength=GRID * GRID).reshape(GRID, GRID).to(torch.float64)


def _density(counts: Tensor, bandwidth: float, uniform: float) -> Tensor:
    sigma = bandwidth * GRID
    density = blur(counts, 2 * math.ceil(4 * sigma) + 1, sigma, "symmetric")  # mirrored, so no mass is lost
    return (1 - uniform) * density / density.sum() + uniform / GRID**2
