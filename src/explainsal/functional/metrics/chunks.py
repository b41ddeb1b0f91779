"""Parts of a batch of maps that fit a CPU's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

PIXELS = 1 << 16
"""Pixels at a time on a CPU: a chunk of two maps and its intermediate results stay in the core's cache."""

Part = Callable[[slice, slice], Tensor]
"""A function from rows (images) and columns (pixels) of a chunk to ``(K, rows)``: K numbers of each image."""


def chunks(values: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield rows and columns of ``(B, P)`` values to process together: at most one map on a CPU, all values elsewhere.

    A chunk on a CPU never holds two maps, so that a map's sum is identical to the bit in every batch.

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
    """Apply each part to the chunks of ``(B, P)`` values in one pass: ``(K, B, chunks)`` for each part.

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
    """Sum the products of each row of two chunks ``(rows, columns)``; a single row needs no memory for its products.

    Example:
        >>> dot(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 4.0]]))
        tensor([11.])
    """
    return torch.dot(a[0], b[0])[None] if len(a) == 1 else (a * b).sum(dim=1)
