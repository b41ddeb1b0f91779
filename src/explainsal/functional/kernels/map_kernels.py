"""Combinations (Eq. 3) and resized maps (Eq. 4) by compiled loops, for tensors on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share_runs


def add_combinations(total: Tensor, maps: Tensor, place: Tensor, weights: Tensor) -> None:
    """Add a weighted sum of maps ``(n, D)`` to every row of `total` ``(R, D)``.

    Args:
        total: Shape ``(R, D)``, contiguous.
        maps: Shape ``(n, D)``, contiguous.
        place: Positions in `maps`, shape ``(R, T)``, int64; -1 adds nothing.
        weights: Shape ``(R, T)``, in the dtype of `total` and the maps.
    """
    from explainsal.functional.kernels import map_loops as loops

    rows, places, factors, sums = maps.numpy(), place.contiguous().numpy(), weights.contiguous().numpy(), total.numpy()
    share_runs(lambda run: loops.add_combinations(rows, places[run], factors[run], sums[run]), len(total))


def shrunk(maps: Tensor, step: int) -> Tensor:
    """Reduce maps ``(..., H, W)`` by a `step` of 2 or 4 that divides both sides: ``(..., H / step, W / step)``.

    Every pixel is the mean of the 2 x 2 pixels around its center, as in bilinear resizing without antialiasing.
    """
    from explainsal.functional.kernels import map_loops as loops

    height, width = maps.shape[-2:]
    flat = maps.reshape(-1, height, width).contiguous()
    out = flat.new_empty(len(flat), height // step, width // step)
    given, into = flat.numpy(), out.numpy()
    share_runs(lambda run: [loops.shrink(given[i], step, into[i]) for i in range(run.start, run.stop)], len(flat))
    return out.reshape(*maps.shape[:-2], *out.shape[-2:])


def add_there_and_back(total: Tensor, maps: Tensor, scale: float, *, squared: bool) -> None:
    """Resize maps bilinearly to a scale and back, and add the results or their squares to `total`.

    Args:
        total: Shape ``(n, H, W)``, contiguous.
        maps: Shape ``(n, H, W)``; each map is contiguous, but there may be gaps between maps.
        scale: 4, 2 or 1, or 0.5 or 0.25 where the sides stay whole numbers.
        squared: Whether squares are added.
    """
    from explainsal.functional.kernels import map_loops as loops

    given, into = maps.numpy(), total.numpy()
    if scale < 1:
        step = round(1 / scale)
        away = [abs((p + 0.5) / step - 0.5) for p in range(step)]
        sides = torch.tensor([[1 - one, one] for one in away], dtype=total.dtype).numpy()
        small = (total.shape[1] // step, total.shape[2] // step)

        def work(run: slice) -> None:
            between = total.new_empty(small).numpy()
            for i in range(run.start, run.stop):
                loops.add_shrunk_and_back(given[i], step, sides, squared, between, into[i])

    else:
        side = {1.0: 0.0, 2.0: 0.125, 4.0: 0.0625}[float(scale)]
        sides = torch.tensor([1 - 2 * side, side], dtype=total.dtype).numpy()

        def work(run: slice) -> None:
            for i in range(run.start, run.stop):
                loops.add_enlarged_and_back(given[i], sides, squared, into[i])

    share_runs(work, len(total))
