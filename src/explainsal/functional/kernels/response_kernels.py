"""Filtered maps (Eq. 1) by compiled loops, a few responses at a time, for tensors on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import share_runs
from explainsal.functional.kernels.row_kernels import RowScaling, bits_of, memory_of

_RESPONSES = 2**17  # values of complex responses at a time: two such arrays stay in the second-level cache

Part = Literal["energy", "even", "odd", "half_wave", "half_squared"]
PARTS = get_args(Part)
"""The parts of a complex response: see :func:`explainsal.functional.responses.take_parts`."""


def filtered(spectra: Tensor, bank: Tensor, out: Tensor | None = None) -> Tensor:
    """Multiply complex spectra ``(n, H, W)`` by real transfer functions ``(g, H, W)``: ``(n, g, H, W)``, in `out`."""
    from explainsal.functional.kernels import map_loops as loops

    if out is None:
        out = torch.empty(len(spectra), *bank.shape, dtype=bank.dtype.to_complex())
    out = out.view(len(spectra), *bank.shape)
    given, gains = torch.view_as_real(spectra.contiguous()).flatten(1).numpy(), bank.contiguous().flatten(1).numpy()
    into = torch.view_as_real(out).flatten(2).numpy()
    share_runs(lambda run: loops.filtered(given[run], gains, into[run]), len(spectra))
    return out


def write_responses(
    spectra: Tensor, bank: Tensor, takes: Sequence[tuple[int, int, int]], level: Tensor, out: Tensor,
    scaling: RowScaling | None = None,
) -> None:  # fmt: skip
    """Write the parts of the responses of maps to filters, a few responses at a time.

    Args:
        spectra: Spectra of the maps, shape ``(n, H', W')``, complex.
        bank: Transfer functions of the filters, shape ``(g, H', W')``.
        takes: In the order of the filters: a filter, the position in :data:`PARTS` of the part of its response, and
            the position of that part among the maps of a row of `out`.
        level: Factors of the responses to each map, shape ``(n,)``.
        out: Shape ``(n, c, H, W)``; each row is contiguous, but there may be gaps between rows.
        scaling: Standardization of each map; None: no standardization.
    """
    grid, filters = bank[0].numel(), max(1, min(len(bank), _RESPONSES // bank[0].numel()))
    rows = max(1, min(len(spectra), _RESPONSES // (filters * grid)))  # 1 where the filters are split
    alive = (torch.view_as_real(spectra).flatten(1) != 0).any(1).tolist()
    for i in range(len(spectra)):  # the paper's chain has many maps of zeros; so are their responses
        if not alive[i]:
            out[i].zero_()
    living = [i for i in range(0, len(spectra), rows) if any(alive[i : i + rows])]
    tasks = [(i, g) for i in living for g in range(0, len(bank), filters)]
    work = _ResponseWriter(spectra.contiguous(), bank.contiguous(), takes, level, out, scaling, (rows, filters))
    share_runs(lambda run: work(tasks[run]), len(tasks))


class _ResponseWriter:
    """A worker of :func:`write_responses` for some maps and filters; every call has its own work arrays."""

    def __init__(
        self, spectra: Tensor, bank: Tensor, takes: Sequence[tuple[int, int, int]], level: Tensor, out: Tensor,
        scaling: RowScaling | None, at_once: tuple[int, int],
    ) -> None:  # fmt: skip
        self.like, self.count, self.grid, self.at_once = spectra, len(bank), bank.shape[1:], at_once
        self.spectra, self.gains = torch.view_as_real(spectra).flatten(1).numpy(), bank.flatten(1).numpy()
        self.takes = torch.tensor(takes).reshape(-1, 3).numpy()
        filters = range(0, len(bank) + at_once[1], at_once[1])
        count = torch.bincount(torch.tensor([take[0] // at_once[1] for take in takes]), minlength=len(filters))
        self.cuts = [0, *count.cumsum(0).tolist()]
        self.level, self.step, self.size = (
            level.contiguous().numpy(),
            out.stride(0),
            torch.tensor(out.shape[-2:]).numpy(),
        )
        memory, self.scaling = memory_of(out.flatten(1)), scaling
        (self.bits, self.magnitude), self.out, nothing = bits_of(memory), memory.numpy(), memory[:0].numpy()
        limits = [] if scaling is None else [scaling.rounding, scaling.reach]
        self.limits = torch.tensor(limits, dtype=torch.float64).numpy()
        self.factors = (nothing, nothing) if scaling is None else (scaling.weights, scaling.roots)

    def __call__(self, tasks: Sequence[tuple[int, int]]) -> None:
        from explainsal.functional.kernels import map_loops as loops

        (rows, filters), (height, width) = self.at_once, self.grid
        work = self.like.new_empty(2, rows * filters, height, width)
        products, answers = (torch.view_as_real(one).flatten(2).numpy() for one in work)  # (n, H', 2 W')
        for i, g in tasks:
            some, its = self.spectra[i : i + rows], self.gains[g : g + filters]
            shape, count = (len(some), len(its)), len(some) * len(its)
            loops.filtered(some, its, products[:count].reshape(*shape, -1))
            torch.fft.ifft2(work[0, :count], out=work[1, :count])
            takes = self.takes[self.cuts[g // filters] : self.cuts[g // filters + 1]]
            start = i * self.step
            loops.write_parts(
                answers[:count].reshape(*shape, height, -1), g, takes, self.level[i : i + rows], self.out[start:],
                self.bits[start:], self.step, self.size, self.magnitude, self.limits, *self.factors,
            )  # fmt: skip
