"""Transfer functions of a filter bank at any map size, cached within a number of bytes."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import RLock
from typing import Any

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.functional.log_gabor import gaussian_bank, log_gabor_bank

# Larger banks (in bytes) are sampled in groups: at 1080 x 1920 the paper's 80 filters take 660 MB.
_WHOLE_BYTES = 2**27


def filter_groups(bank: FilterBank, size: tuple[int, int], most: int | None = None) -> list[range]:
    """Return runs of :meth:`~.bank.FilterBank.available` filters to process together.

    This is one run of all filters or, if they are large or more than `most`, one run per orientation and wavelength
    and one per blur.
    """
    count = len(bank.filters_for(size))
    if 4 * len(bank) * math.prod(_grid(bank, size)) <= _WHOLE_BYTES and count <= (most or count):
        return [range(count)]
    each, blurred = len(bank.sigma_on_f) * len(bank.parts), len(bank.low_pass_parts)
    first_blur = count - blurred * len(bank.low_pass)
    return [range(start, start + each) for start in range(0, first_blur, each)] + [
        range(start, start + blurred) for start in range(first_blur, count, blurred)
    ]


def transfer_functions(
    bank: FilterBank,
    size: tuple[int, int],
    group: range | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Tensor:
    """Return transfer functions for maps of a size, of the :meth:`~.bank.FilterBank.available` filters.

    `group` selects one of the :func:`filter_groups`.

    The parts of a response share one transfer function.

    Returns:
        Shape ``(g, H', W')``: the size, or twice the size for reflected borders. The latest results are cached.
    """
    if group is not None and len(group) == len(bank.filters_for(size)):
        group = None
    return _sampled(bank, size, group, dtype, torch.device(device))


def _grid(bank: FilterBank, size: tuple[int, int]) -> tuple[int, int]:
    scale = 2 if bank.border == "reflect" else 1
    return scale * size[0], scale * size[1]


def _sample(
    bank: FilterBank, size: tuple[int, int], group: range | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    grid = _grid(bank, size)
    angles, wavelengths, blurs = _members(bank, size, group)
    parts = []
    if wavelengths:
        widths = (bank.sigma_on_f, bank.sigma_theta)
        parts.append(
            log_gabor_bank(grid, wavelengths, angles, *widths, sigma_unit=bank.sigma_unit, dtype=dtype, device=device)
        )
    if blurs:
        parts.append(gaussian_bank(grid, blurs, dtype=dtype, device=device))
    if not parts:
        raise ValueError(
            f"no filter of the bank fits maps of {size[0]} x {size[1]} pixels: its shortest wavelength is "
            f"{min(bank.wavelengths)} px. Add a shorter one or low_pass members, or set up_to_map_size=False"
        )
    transfer = torch.cat(parts) if len(parts) > 1 else parts[0]
    if bank.shuffle is not None:
        generator = torch.Generator().manual_seed((bank.shuffle * 10**5 + grid[0]) * 10**5 + grid[1])
        order = torch.randperm(math.prod(grid), generator=generator).to(device)
        transfer = transfer.flatten(1)[:, order].reshape(transfer.shape)
    return transfer


def _members(
    bank: FilterBank, size: tuple[int, int], group: range | None
) -> tuple[list[float], list[float], Sequence[float]]:
    """Return orientations, wavelengths and sigmas of all filters for maps of a size, or of one group."""
    longest = max(size) if bank.up_to_map_size else math.inf
    wavelengths = [wavelength for wavelength in bank.wavelengths if wavelength <= longest]
    if group is None:
        return bank.angles, wavelengths, bank.low_pass
    each = len(bank.sigma_on_f) * len(bank.parts)
    gabors = bank.n_orientations * len(wavelengths) * each
    if group.start >= gabors:
        return [], [], [bank.low_pass[(group.start - gabors) // len(bank.low_pass_parts)]]
    angle, wavelength = divmod(group.start // each, len(wavelengths))
    return [bank.angles[angle]], [wavelengths[wavelength]], []


class _Remembered:
    """Cache of sampled banks, limited in size, since images of many sizes need one bank each; shared by all threads."""

    def __init__(self, limit: int) -> None:
        self.bytes, self.banks = 0, OrderedDict[tuple[Any, ...], Tensor]()
        self.limit, self._lock = ContextVar("limit", default=limit), RLock()

    def __call__(self, *key: Any) -> Tensor:
        with self._lock:
            if key in self.banks:
                self.banks.move_to_end(key)
            else:
                with torch.inference_mode(False):  # otherwise unusable with gradients
                    self.banks[key] = _sample(*key)
                self.bytes += self.banks[key].nbytes
            self._forget()
            return self.banks[key]

    def _forget(self) -> None:
        with self._lock:
            while len(self.banks) > 1 and self.bytes > self.limit.get():
                self.bytes -= self.banks.popitem(last=False)[1].nbytes

    @contextmanager
    def at_most(self, limit: int) -> Iterator[None]:
        """Limit the cached bytes inside the block, except for the latest bank."""
        token = self.limit.set(min(self.limit.get(), limit))
        self._forget()
        try:
            yield
        finally:
            self.limit.reset(token)


REMEMBERED_BYTES = 2 * _WHOLE_BYTES
_sampled = _Remembered(REMEMBERED_BYTES)
sampled_bytes_at_most = _sampled.at_most
