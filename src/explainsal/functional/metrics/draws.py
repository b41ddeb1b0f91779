"""Random numbers that depend only on a seed, an image's index and a counter, in any batch, order, device or process."""

from __future__ import annotations

import torch
from torch import Tensor

_GAMMA = -7046029254386353131  # 0x9E3779B97F4A7C15 as int64: the increment of SplitMix64
_MIX = (-4658895280553007687, -7723592293110705685)  # its two multipliers


def uniform(seed: int, index: Tensor, counter: Tensor) -> Tensor:
    """Draw uniform numbers in [0, 1), one per element of the broadcast arguments.

    The generator is SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014) as a hash.

    Args:
        seed: Any integer that fits int64.
        index: int64, e.g. the data-set index of the image.
        counter: int64, the number's position in that image's stream.

    Returns:
        float64, in the broadcast shape.

    Example:
        >>> a = uniform(0, torch.tensor([3]), torch.arange(5))
        >>> bool((uniform(0, torch.tensor(3), torch.arange(2, 5)) == a[2:]).all()), bool((a != uniform(1, a.long(), a.long())).all())
        (True, True)
    """  # noqa: E501
    base = _mix(index + _mix(torch.full((), seed, dtype=torch.int64, device=index.device)))
    return _shift(_mix(base + counter * _GAMMA), 11).to(torch.float64) * 2.0**-53


def _mix(z: Tensor) -> Tensor:
    z = z + _GAMMA
    z = (z ^ _shift(z, 30)) * _MIX[0]
    z = (z ^ _shift(z, 27)) * _MIX[1]
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    return (z >> bits) & ((1 << (64 - bits)) - 1)  # torch's shift copies the sign bit
