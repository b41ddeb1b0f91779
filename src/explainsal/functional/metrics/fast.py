"""Sums and counts of the metrics by compiled loops, image by image, for float64 maps on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share

SIM, CC, KLD = 1, 2, 4
"""Bits of the sums of `density_sums`, or'ed together."""


def extents(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Compute minimum, maximum and sum of each row of ``(B, P)``, NaN for rows with NaN or infinity: ``(B,)`` each."""
    from explainsal.functional.kernels import metric_loops as loops

    values, out = values.contiguous(), values.new_empty(len(values), 3)
    rows, bits, results = values.numpy(), values.view(torch.int64).numpy(), out.numpy()
    share(lambda i: loops.extents(rows[i], bits[i], results[i]), len(values))
    return out[:, 0], out[:, 1], out[:, 2]


def density_sums(maps: Tensor, targets: Tensor, scalings: Tensor, means: Tensor, eps: float, wanted: int) -> Tensor:
    """Compute the sums of SIM, CC and KLD over pixels, in one pass over the memory of maps and targets.

    Args:
        maps: Shape ``(B, P)``.
        targets: Shape ``(B, P)``.
        scalings: Values to subtract, to add and to divide by for the densities of map and target, for SIM, then for
            KLD, shape ``(B, 4, 3)``.
        means: Means of map and target, shape ``(B, 2)``.
        eps: Epsilon of KLD.
        wanted: Bits of the sums to compute; the others are 0.

    Returns:
        Shape ``(5, B)``: SIM's sum; squares of the map, squares of the target and products about the means; KLD's sum.
    """
    from explainsal.functional.kernels import metric_loops as loops

    a, b, how, mean = (tensor.contiguous().numpy() for tensor in (maps, targets, scalings, means))
    out = maps.new_empty(len(maps), 5)
    results = out.numpy()
    share(lambda i: loops.density_sums(a[i], b[i], how[i], mean[i], float(eps), wanted, results[i]), len(maps))
    return out.T


def squares(values: Tensor, mean: Tensor) -> Tensor:
    """Sum the squares of each row of ``(B, P)`` about its mean ``(B,)``, identical to those of `density_sums`."""
    scalings = values.new_zeros(len(values), 4, 3)
    return density_sums(values, values, scalings, torch.stack([mean, mean], dim=1), 0.0, CC)[1]


def buckets(values: Tensor, low: Tensor, high: Tensor, levels: Tensor) -> tuple[Tensor, Tensor]:
    """Return the bucket of every pixel (see `Ranks`), in the smallest type, and the pixels per bucket, int64.

    Args:
        values: Shape ``(B, P)``.
        low: Minima, shape ``(B,)``.
        high: Maxima, shape ``(B,)``.
        levels: Shape ``(B, L)``, distinct and ascending, between the two; padded with infinities.

    Returns:
        Shapes ``(B, P)`` and ``(B, 2 L + 1)``.
    """
    from explainsal.functional.kernels import metric_loops as loops

    length = 2 * levels.shape[1] + 1
    found = torch.empty(values.shape, dtype=torch.int16 if length <= 2**15 else torch.int32)
    counts = torch.empty(len(levels), length, dtype=torch.int64)
    rows, least, most, steps = (tensor.contiguous().numpy() for tensor in (values, low, high, levels))
    places, numbers = found.numpy(), counts.numpy()
    share(lambda i: loops.buckets(rows[i], least[i], most[i], steps[i], places[i], numbers[i]), len(values))
    return found, counts


def weigh_buckets(found: Tensor, weights: Tensor, length: int) -> Tensor:
    """Compute the weight of the pixels in each of `length` buckets, ``(B, length)``, int64.

    Args:
        found: Buckets of the pixels from `buckets`, shape ``(B, P)``.
        weights: Shape ``(B, P)``, int32 or int64; every row contiguous.
        length: Number of buckets.
    """
    from explainsal.functional.kernels import metric_loops as loops

    counts = torch.empty(len(found), length, dtype=torch.int64)
    weights = weights if weights.stride(1) == 1 else weights.contiguous()
    places, weighed, into = found.numpy(), weights.numpy(), counts.numpy()
    share(lambda i: loops.weigh(places[i], weighed[i], into[i]), len(found))
    return counts
