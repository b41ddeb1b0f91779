"""Leave-one-observer-out gold standard: the expected upper bound of models that predict one map for all observers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.functional.postprocessing import blur_matrix
from explainsal.types import FixationBatch

GOLD_STANDARD = "gold_standard"  # its name in tables and options


class GoldStandard:
    """Prediction of each observer of an image by the kernel density of the other observers' fixations.

    Args:
        points: One ``(N_i, 2)`` array of (x, y) in pixels per image.
        observers: One ``(N_i,)`` array per image: the observer of each fixation.
        sizes: Height and width of each image.
        sigma: Standard deviation of the Gaussian kernel in pixels; the border is mirrored.
        uniform: Share of a uniform density mixed in, so that no fixation has density 0.

    Raises:
        ValueError: If the lists differ in length, no image has two observers, or an option is out of range.

    Example:
        >>> gold = GoldStandard([torch.tensor([[1.0, 1.0], [7.0, 1.0]])], [torch.tensor([0, 1])], [(4, 9)], sigma=0.5)
        >>> densities, fixations = gold.of_image(0)
        >>> densities.shape, divmod(densities[0].argmax().item(), 9)    # where observer 1 looked
        (torch.Size([2, 4, 9]), (1, 7))
    """

    def __init__(
        self,
        points: Sequence[Tensor],
        observers: Sequence[Tensor],
        sizes: Sequence[tuple[int, int]],
        *,
        sigma: float,
        uniform: float = 0.01,
    ) -> None:
        if not len(points) == len(observers) == len(sizes):
            raise ValueError(f"{len(points)} sets of points, {len(observers)} of observers, {len(sizes)} sizes")
        if not sigma > 0 or not 0 <= uniform < 1:
            raise ValueError(f"sigma must be positive and uniform in [0, 1), got {sigma} and {uniform}")
        if not any(len(o.unique()) > 1 for o in observers):
            raise ValueError("a gold standard needs images with two observers or more, each with an id")
        self.points, self.observers, self.sizes = points, observers, sizes
        self.sigma, self.uniform = sigma, uniform

    def __deepcopy__(self, memo: dict[int, object]) -> GoldStandard:
        return self  # read-only

    def of_image(self, index: int) -> tuple[Tensor, FixationBatch]:
        """Return the predictions for one image and its fixations, both by observer.

        Returns:
            Densities ``(S, H, W)``, float64, each with sum 1, one for each of the S observers with fixations, and the
            fixations of these observers in the same order. Without a second observer S is 0.
        """
        points, who, size = self.points[index].double(), self.observers[index], self.sizes[index]
        people = [person for person in who.unique().tolist() if not bool((who == person).all())]
        own = [points[who == person] for person in people]
        if not own:
            return torch.zeros(0, *size, dtype=torch.float64), FixationBatch.from_points([])
        everyone = self._blurred(points, size)
        others = torch.stack([everyone - self._blurred(p, size) for p in own]).clamp(min=0)
        density = others / others.sum(dim=(1, 2), keepdim=True)
        return (1 - self.uniform) * density + self.uniform / (size[0] * size[1]), FixationBatch.from_points(own)

    def _blurred(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        columns, rows = points.long().unbind(dim=1)
        down, across = (blur_matrix(n, self.sigma) for n in size)
        return down[:, rows] @ across[:, columns].T
