"""Centre bias learned from the fixations of other images: the baseline that looks at no image."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from explainsal.classical.matlab import blur

GRID = 128


class CenterBias(nn.Module):
    """Where people look when nothing is known of the image: a kernel density of training fixations, on a unit square.

    Coordinates are divided by width and height, so images of any size share one density; it is resampled bilinearly to
    the size asked for and sums to 1 there.

    Args:
        grid: Shape ``(G, G)``, density on the unit square, rows from the top.

    Example:
        >>> bias = CenterBias.fit([torch.tensor([[20.0, 15.0]]), torch.tensor([[400.0, 300.0]])], [(30, 40), (600, 800)])
        >>> saliency_map = bias(torch.rand(2, 3, 60, 80))
        >>> saliency_map.shape, divmod(saliency_map[1, 0, :30, :40].argmax().item(), 40)    # both at the centre
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
        """Learn the density from fixations, e.g. of a training split.

        Args:
            points: One ``(N_i, 2)`` array of (x, y) in pixels per image.
            sizes: Height and width of each image.
            bandwidth: Standard deviation of the Gaussian kernel, as a fraction of width and height: 0.04 is 24 px of
                600, about one degree of visual angle in the data sets' set-ups.
            uniform: Share of a uniform density mixed in, so that no fixation has density 0.

        Raises:
            ValueError: If there is no fixation, one is NaN or outside its image, or an option is out of range.
        """
        if not bandwidth > 0 or not 0 <= uniform < 1:
            raise ValueError(f"bandwidth must be positive and uniform in [0, 1), got {bandwidth} and {uniform}")
        if len(points) != len(sizes):
            raise ValueError(f"{len(points)} sets of points, but {len(sizes)} sizes")
        pairs = zip(points, sizes, strict=True)
        scaled = [torch.as_tensor(p, dtype=torch.float64).reshape(-1, 2) / torch.tensor([w, h]) for p, (h, w) in pairs]
        unit = torch.cat(scaled) if scaled else torch.zeros(0, 2)
        if not len(unit):
            raise ValueError("a centre bias needs at least one fixation to learn from")
        if not bool(((unit >= 0) & (unit < 1)).all()):
            raise ValueError("fixations are NaN or outside their image; clip or drop them first")
        column, row = (unit * GRID).long().clamp(max=GRID - 1).unbind(dim=1)
        counts = torch.bincount(row * GRID + column, minlength=GRID * GRID).reshape(GRID, GRID).to(torch.float64)
        sigma = bandwidth * GRID
        density = blur(counts, 2 * math.ceil(4 * sigma) + 1, sigma, "symmetric")  # mirrored: no mass is lost
        return cls((1 - uniform) * density / density.sum() + uniform / GRID**2)

    def density(self, size: tuple[int, int]) -> Tensor:
        """The density on an image grid, shape ``(H, W)``, float64, sums to 1."""
        resized = F.interpolate(self.grid[None, None], size=size, mode="bilinear", align_corners=False)[0, 0]
        return resized / resized.sum()

    def forward(self, images: Tensor) -> Tensor:
        """The same map for every image: ``(B, 3, H, W)`` to ``(B, 1, H, W)``, float32, maximum 1."""
        density = self.density((int(images.shape[2]), int(images.shape[3])))
        return (density / density.max()).float().expand(images.shape[0], 1, -1, -1).clone()
