"""Parts of a batch of maps that fit a CPU's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

PIXELS = 1 << 16
"""Pixels handled at a time on a CPU: a chunk of two maps and what is computed of it stay in the cache of its core."""

Part = Callable[[slice, slice], Tensor]
"""Rows (images) and columns (pixels) of a chunk -> ``(K, rows)``: K numbers of each image."""


def chunks(values: Tensor) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of ``(B, P)`` values to handle together: one map at most on a CPU, all of it elsewhere.

    No chunk on a CPU holds two maps, so a sum over pixels does not depend on what else is in the batch, to the bit.

    Example:
        >>> [(rows.start, columns.stop) for rows, columns in chunks(torch.zeros(2, 70_000))]
        [(0, 65536), (0, 70000), (1, 65536), (1, 70000)]
    """
    images, pixels = values.shape
    if values.device.type != "cpu":
        yield slice(0, images), slice(0, pixels)
        return
    for image in range(images):
        for start in range(0, pixels, PIXELS):
            yield slice(image, image + 1), slice(start, min(start + PIXELS, pixels))


def walk(values: Tensor, parts: list[Part]) -> list[Tensor]:
    """What each part gives for the chunks of ``(B, P)`` values, ``(K, B, chunks)``, in one pass over the chunks.

    Example:
        >>> values = torch.arange(6.0).reshape(2, 3)
        >>> walk(values, [lambda rows, columns: values[rows, columns].sum(dim=1)[None]])[0].sum(dim=2)
        tensor([[ 3., 12.]])
    """
    found: list[list[Tensor]] = [[] for _ in parts]
    for rows, columns in chunks(values):
        for part, results in zip(parts, found, strict=True):
            results.append(part(rows, columns))
    return [torch.cat(results, dim=1).unflatten(1, (len(values), -1)) for results in found]


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Sum of products of each row of two chunks ``(rows, columns)``, without the products in memory if it is one row.

    Example:
        >>> dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([11.])
    """
    return torch.dot(a[0], b[0])[None] if len(a) == 1 else (a * b).sum(dim=1)
