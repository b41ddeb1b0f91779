"""The sums and counts of the metrics by compiled kernels, for float64 maps on a CPU: see `functional.native`."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.native import at, in_threads, kernel

SIM, CC, KLD = 1, 2, 4
"""What `density_sums` may be asked for; or'ed together."""


def extents(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Least, greatest and sum of each row of ``(B, P)``, NaN where a value is NaN or infinite: ``(B,)`` each."""
    values = values.contiguous()
    out = values.new_empty(len(values), 3)

    def work(start: int, stop: int) -> int:
        return int(kernel("extents", values)(at(values, start), stop - start, values.shape[1], at(out, start)))

    in_threads(work, len(values))
    return out[:, 0], out[:, 1], out[:, 2]


def density_sums(maps: Tensor, targets: Tensor, scalings: Tensor, means: Tensor, eps: float, wanted: int) -> Tensor:
    """What SIM, CC and KLD add up over pixels, in one pass over the memory of maps and targets.

    Args:
        maps: Shape ``(B, P)``.
        targets: Shape ``(B, P)``.
        scalings: Shape ``(B, 4, 3)``: what to subtract, to add and to divide by to have a density of the map and of the
            target for SIM, then for KLD.
        means: Shape ``(B, 2)``: of map and target.
        eps: Of KLD.
        wanted: Which of the sums; the others are 0.

    Returns:
        Shape ``(5, B)``: SIM's sum; squares of the map, of the target and products about the means; KLD's sum.
    """
    maps, targets, scalings, means = (t.contiguous() for t in (maps, targets, scalings, means))
    out = maps.new_empty(len(maps), 5)

    def work(start: int, stop: int) -> int:
        return int(kernel("density_sums", maps)(
            at(maps, start), at(targets, start), stop - start, maps.shape[1], at(scalings, start), at(means, start),
            float(eps), wanted, at(out, start),
        ))  # fmt: skip

    in_threads(work, len(maps))
    return out.T


def buckets(values: Tensor, low: Tensor, high: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """The bucket of every pixel, see `Ranks`, int32, and the number of pixels in each, int64.

    Args:
        values: Shape ``(B, P)``.
        low: Shape ``(B,)``, the minima. Likewise `high`, the maxima.
        levels: Shape ``(B, L)``, ascending without repetition, between the two; filled up with infinities.

    Returns:
        Shapes ``(B, P)`` and ``(B, 2 L + 1)``.
    """
    values, levels, ranges = values.contiguous(), levels.contiguous(), torch.stack([low, high], dim=1)
    found = torch.empty(values.shape, dtype=torch.int32)
    counts = torch.empty(len(levels), 2 * levels.shape[1] + 1, dtype=torch.int64)

    def work(start: int, stop: int) -> int:
        return int(kernel("buckets", values)(
            at(values, start), at(ranges, start), at(levels, start), stop - start, values.shape[1], levels.shape[1],
            at(found, start), at(counts, start),
        ))  # fmt: skip

    in_threads(work, len(values))
    return found, counts


def weigh_buckets(found: Tensor, weights: Tensor, length: int) -> Tensor:
    """Weight of the pixels in each of `length` buckets, ``(B, length)``, int64.

    Args:
        found: Shape ``(B, P)``, int32, as `buckets` gives them.
        weights: Shape ``(B, P)``, int32 or int64; every row contiguous.
        length: Number of buckets.
    """
    counts = torch.empty(len(found), length, dtype=torch.int64)
    weights = weights if weights.stride(1) == 1 else weights.contiguous()

    def work(start: int, stop: int) -> int:
        return int(kernel("weights", counts)(
            at(found, start), at(weights, start), stop - start, found.shape[1], weights.stride(0),
            weights.element_size(), length, at(counts, start),
        ))  # fmt: skip

    in_threads(work, len(found))
    return counts
