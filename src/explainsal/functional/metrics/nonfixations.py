"""Pool of non-fixations for shuffled AUC: every fixation of a data set, collected once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.functional.metrics.draws import uniform
from explainsal.types import FixationMap

_KEPT_SIZES = 8


class Nonfixations:
    """Fixations of all images of a data set; the negatives of an image are the fixations of the other images.

    The counts of all images are kept as one map per map size (the last few sizes in use), and an image's own fixations
    are subtracted. The memory does not grow with the product of fixations and images.

    As in pysaliency, coordinates are multiplied by the ratio of the sizes and truncated, and all fixations count. A
    non-fixation may coincide with a fixation of the image.

    Args:
        points: One ``(N_i, 2)`` array of (x, y) per image, in pixels of that image; ``(0, 2)`` for an image without
            fixations. The position in the list is the index for `others`.
        sizes: Height and width of each image.

    Raises:
        ValueError: If the lists differ in length, or a point is NaN or outside its image.

    Example:
        >>> pool = Nonfixations([torch.tensor([[0.5, 0.5]]), torch.tensor([[3.9, 0.0], [0.0, 0.0]])], [(2, 2), (2, 4)])
        >>> pool.others(torch.tensor([0, 1]), (2, 2)).counts.tolist()
        [[[1, 1], [0, 0]], [[1, 0], [0, 0]]]
    """

    def __init__(self, points: Sequence[Tensor], sizes: Sequence[tuple[int, int]]) -> None:
        if len(points) != len(sizes):
            raise ValueError(f"{len(points)} sets of points, but {len(sizes)} sizes")
        each = [torch.as_tensor(p, dtype=torch.float64).reshape(-1, 2) for p in points]
        self._xy = torch.cat(each) if each else torch.zeros(0, 2, dtype=torch.float64)
        counts = torch.tensor([len(p) for p in each], dtype=torch.int64)
        self._start = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        self._image = torch.repeat_interleave(torch.arange(len(each)), counts)
        self._wh = torch.tensor([(w, h) for h, w in sizes], dtype=torch.float64).reshape(-1, 2)
        inside = ((self._xy >= 0) & (self._xy < self._wh[self._image])).all(dim=1)
        if not bool(inside.all()):
            first = int((~inside).nonzero()[0])
            raise ValueError(
                f"{int((~inside).sum())} of {len(inside)} points are NaN or outside their image; the first is (x, y) = "
                f"{tuple(self._xy[first].tolist())} of image {int(self._image[first])}"
            )
        self._totals: OrderedDict[tuple[int, int, torch.device], Tensor] = OrderedDict()

    def __len__(self) -> int:
        return len(self._wh)

    def __deepcopy__(self, memo: dict[int, object]) -> Nonfixations:
        return self  # read-only, and it can hold millions of points: copies of a metric share it

    def others(self, index: Tensor, size: tuple[int, int], *, drop_own_pixels: bool = False) -> FixationMap:
        """Count all fixations of all other images per pixel of maps of `size`.

        Args:
            index: Each map's image in the pool, shape ``(B,)``, int64; -1 for an image that is not in the pool.
            size: Height and width of the maps.
            drop_own_pixels: Also drop the non-fixations on fixated pixels of the image, as the SALICON evaluation
                does.

        Returns:
            Counts ``(B, H, W)``, int32, on the device of `index`.

        Raises:
            ValueError: If an index is not in [-1, number of images).
        """
        image, pixel = self._own(index, size)
        total = self._total(size, index.device)
        counts = total.expand(len(index), -1).clone()
        flat = (image * total.numel() + pixel).to(index.device)
        counts.view(-1).index_add_(0, flat, torch.full_like(flat, -1, dtype=counts.dtype))
        if drop_own_pixels:
            counts.view(-1)[flat] = 0
        return FixationMap(counts.view(-1, *size))

    def of_random_images(self, index: Tensor, size: tuple[int, int], *, images: int = 10, seed: int = 0) -> FixationMap:
        """Mark the pixels that are fixated in a few random other images (the MIT benchmark's draw), 0 or 1 per pixel.

        Args:
            index: Each map's image in the pool, shape ``(B,)``, int64; -1 for an image that is not in the pool.
            size: Height and width of the maps.
            images: Number of other images; all of them where there are fewer.
            seed: The choice depends on `seed` and the image's index only.

        Returns:
            Zeros and ones ``(B, H, W)``, int32, on the device of `index`.

        Raises:
            ValueError: If an index is not in [-1, number of images).
        """
        own = self._checked(index)
        candidates = torch.arange(len(self))
        order = uniform(seed, own[:, None], candidates[None])
        order = torch.where(candidates[None] == own[:, None], 2.0, order)  # an image itself comes last
        chosen = order.argsort(dim=1)[:, : min(images, len(self))]
        chosen = torch.where(chosen == own[:, None], -1, chosen)
        image, pixel = self._own(chosen.reshape(-1), size)
        counts = torch.zeros(len(own), size[0] * size[1], dtype=torch.int32)
        counts[image // max(chosen.shape[1], 1), pixel] = 1
        return FixationMap(counts.view(-1, *size).to(index.device))

    def _checked(self, index: Tensor) -> Tensor:
        own = index.to("cpu", torch.int64)
        if own.numel() and not -1 <= int(own.min()) <= int(own.max()) < len(self):
            raise ValueError(f"indices must lie in [-1, {len(self)}), the images of the pool; got {own.tolist()}")
        return own

    def _own(self, index: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return the position in `index` and the pixel on maps of `size` of every fixation of the indexed images."""
        own = self._checked(index)
        count = torch.where(own < 0, 0, self._start[own + 1] - self._start[own.clamp(min=0)])
        position = torch.repeat_interleave(torch.arange(len(own)), count)
        offset = torch.arange(len(position)) - (count.cumsum(0) - count)[position]
        return position, self._pixels(self._start[own[position]] + offset, size)

    def _pixels(self, rows: Tensor | slice, size: tuple[int, int]) -> Tensor:
        target = torch.tensor([size[1], size[0]], dtype=torch.float64)
        column, row = (self._xy[rows] * (target / self._wh)[self._image[rows]]).long().unbind(dim=1)
        return row.clamp(max=size[0] - 1) * size[1] + column.clamp(max=size[1] - 1)  # x * ratio may round up to W

    def _total(self, size: tuple[int, int], device: torch.device) -> Tensor:
        key = (*size, device)
        if key not in self._totals:
            total = torch.bincount(self._pixels(slice(None), size), minlength=size[0] * size[1])
            self._totals[key] = total.to(device, torch.int32)
            if len(self._totals) > _KEPT_SIZES:
                self._totals.popitem(last=False)
        self._totals.move_to_end(key)
        return self._totals[key]
