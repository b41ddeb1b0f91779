"""Filter banks as data: parameters of every filter, and transfer functions at any map size."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.kernels.row_kernels import RowScaling
from explainsal.functional.log_gabor import (
    Border,
    filter_responses,
    gaussian_bank,
    local_energy,
    log_gabor_bank,
    responses_in_parts,
    responses_of_kinds,
    transform_maps,
)

# Larger banks (in bytes) are sampled in groups: at 1080 x 1920 the paper's 80 filters take 660 MB.
_WHOLE_BYTES = 2**27

Part = Literal["energy", "even", "odd", "half_wave", "half_squared"]


@dataclass(frozen=True)
class Filter:
    """A filter of a bank. Fields that do not apply to its kind are NaN.

    Args:
        kind: ``"log_gabor"`` or ``"low_pass"``.
        part: Part of the complex response that is used: ``"energy"``, its magnitude (Eq. 1), or its signed ``"even"``
            (real) or ``"odd"`` (imaginary) part. A low-pass response is even; ``"half_wave"`` is its part above its
            mean over the map, ``"half_squared"`` the square of that, as in models of simple cells (Heeger, 1992).
        wavelength: Center wavelength in pixels of the filtered map; for a low-pass filter, ``2 pi`` times its sigma.
        orientation: Center orientation in radians.
        sigma_on_f: Radial width as a ratio.
        sigma_theta: Angular width in radians.
    """

    kind: Literal["log_gabor", "low_pass"]
    part: Part
    wavelength: float
    orientation: float = math.nan
    sigma_on_f: float = math.nan
    sigma_theta: float = math.nan

    @property
    def octaves(self) -> float:
        """Full width at half maximum of the radial band, in octaves; NaN for a low-pass filter."""
        return 2 * math.sqrt(2 / math.log(2)) * abs(math.log(self.sigma_on_f))


@dataclass(frozen=True)
class FilterBank:
    """All combinations of wavelength, orientation and width pair, followed by low-pass filters.

    Args:
        wavelengths: Wavelengths in pixels per cycle of the filtered map.
        n_orientations: Number of orientations, uniform over `orientation_range` from 0.
        sigma_on_f: Radial widths, paired with `sigma_theta`.
        sigma_theta: Angular widths in radians.
        orientation_range: Range in radians; pi, since a map and its energy do not distinguish opposite directions.
        parts: Parts of every log-Gabor response, one candidate each; the paper uses only the energy. Signed parts
            correspond to simple cells, energies to complex cells.
        sigma_unit: Whether `sigma_on_f` is the ratio sigma_f/f_0 or sigma_f itself in cycles per pixel.
        low_pass: Sigmas in pixels of Gaussian filters, appended to the bank. Their response keeps its sign.
        low_pass_parts: Parts of every low-pass response, one candidate each: some of ``"even"``, ``"half_wave"``,
            ``"half_squared"``.
        up_to_map_size: Omit wavelengths above a map's longer side, since none of their periods fits.
        border: Extension of maps beyond their border.
        shuffle: Seed of a null model that permutes the frequencies of every filter, with one fixed permutation per map
            size for all: each filter keeps its gains but loses its meaning. None: no shuffle.

    Raises:
        ValueError: If :func:`~explainsal.functional.log_gabor.log_gabor_bank` rejects the parameters.
    """

    wavelengths: tuple[float, ...]
    n_orientations: int
    sigma_on_f: tuple[float, ...]
    sigma_theta: tuple[float, ...]
    orientation_range: float = math.pi
    parts: tuple[Part, ...] = ("energy",)
    sigma_unit: Literal["ratio", "absolute"] = "ratio"
    low_pass: tuple[float, ...] = ()
    low_pass_parts: tuple[Part, ...] = ("even",)
    up_to_map_size: bool = False
    border: Border = "circular"
    shuffle: int | None = None
    filters: tuple[Filter, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("wavelengths", "sigma_on_f", "sigma_theta", "low_pass"):  # converts lists of a configuration
            object.__setattr__(self, name, tuple(float(value) for value in getattr(self, name)))
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts or not set(self.parts) <= {"energy", "even", "odd"}:
            raise ValueError(f"parts must be some of 'energy', 'even', 'odd'; got {self.parts}")
        object.__setattr__(self, "low_pass_parts", tuple(self.low_pass_parts))
        if not self.low_pass_parts or not set(self.low_pass_parts) <= {"even", "half_wave", "half_squared"}:
            raise ValueError(
                f"low_pass_parts must be some of 'even', 'half_wave', 'half_squared'; got {self.low_pass_parts}"
            )
        if self.n_orientations < 1:
            raise ValueError(f"a bank needs at least 1 orientation, got {self.n_orientations}")
        object.__setattr__(self, "filters", self._table())
        self.transfer((4, 4))  # raises for impossible parameters here, not during an explanation

    def __len__(self) -> int:
        return len(self.filters)

    @property
    def angles(self) -> list[float]:
        """Center orientations, in radians."""
        return [self.orientation_range * i / self.n_orientations for i in range(self.n_orientations)]

    def available(self, size: Sequence[int]) -> Tensor:
        """Return positions of the filters for maps of a size, shape ``(g,)``, int64."""
        return torch.tensor(self.filters_for(size), dtype=torch.int64)

    def filters_for(self, size: Sequence[int]) -> list[int]:
        """Return the positions of :meth:`available` as plain numbers."""
        longest = max(size) if self.up_to_map_size else math.inf
        return [i for i, f in enumerate(self.filters) if f.kind == "low_pass" or f.wavelength <= longest]

    def groups(self, size: tuple[int, int], most: int | None = None) -> list[range]:
        """Return runs of :meth:`available` filters to process together.

        This is one run of all filters or, if they are large or more than `most`, one run per orientation and wavelength
        and one per blur.
        """
        count = len(self.filters_for(size))
        if 4 * len(self) * math.prod(self._grid(size)) <= _WHOLE_BYTES and count <= (most or count):
            return [range(count)]
        each, blurred = len(self.sigma_on_f) * len(self.parts), len(self.low_pass_parts)
        first_blur = count - blurred * len(self.low_pass)
        return [range(start, start + each) for start in range(0, first_blur, each)] + [
            range(start, start + blurred) for start in range(first_blur, count, blurred)
        ]

    def transfer(
        self,
        size: tuple[int, int],
        group: range | None = None,
        *,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> Tensor:
        """Return transfer functions for maps of a size, of the :meth:`available` filters or one of the :meth:`groups`.

        The parts of a response share one transfer function.

        Returns:
            Shape ``(g, H', W')``: the size, or twice the size for reflected borders. The latest results are cached.
        """
        if group is not None and len(group) == len(self.filters_for(size)):
            group = None
        return _sampled(self, size, group, dtype, torch.device(device))

    def candidates(self, maps: Tensor, group: range | None = None, out: Tensor | None = None) -> Tensor:
        """Filter maps: local energy (Eq. 1), and the signed blur for low-pass filters.

        Args:
            maps: Shape ``(..., H, W)``.
            group: One of :meth:`groups`; None: all filters.
            out: Output array, if any.

        Returns:
            Shape ``(..., g, H, W)``, filters in the order of :meth:`available`.
        """
        bank, gabors = self._for(maps, group)
        if maps.device.type != "cpu":
            return self._candidates_on_device(maps, bank, gabors, out)
        if loops_run(maps, bank):
            return responses_of_kinds(maps, bank, self._kinds(bank, gabors), border=self.border, out=out)
        seen = []
        if gabors:
            seen.append(self._gabor_responses(maps, bank[:gabors]))
        if gabors < len(bank):
            seen.append(take_parts(filter_responses(maps, bank[gabors:], border=self.border), self.low_pass_parts))
        made = torch.cat(seen, dim=-3) if len(seen) > 1 else seen[0]
        return made if out is None else out.copy_(made)

    def standardized_candidates(self, maps: Tensor, group: range, out: Tensor, scaling: RowScaling) -> None:
        """Write the standardized :meth:`candidates` of maps that compiled loops take, each while it is in the cache."""
        bank, gabors = self._for(maps, group)
        responses_of_kinds(maps, bank, self._kinds(bank, gabors), border=self.border, out=out, scaling=scaling)

    def _for(self, maps: Tensor, group: range | None) -> tuple[Tensor, int]:
        """Return the transfer functions for maps and the number of log-Gabor filters among them."""
        size = (int(maps.shape[-2]), int(maps.shape[-1]))
        bank = self.transfer(size, group, dtype=maps.dtype, device=maps.device)
        first = 0 if group is None else group.start
        low_pass = len(self.low_pass) * len(self.low_pass_parts)
        return bank, min(len(bank), max(0, len(self.filters_for(size)) - low_pass - first) // len(self.parts))

    def _kinds(self, bank: Tensor, gabors: int) -> list[tuple[range, tuple[Part, ...]]]:
        return [(range(gabors), self.parts), (range(gabors, len(bank)), self.low_pass_parts)]

    def shuffled(self, seed: int = 0) -> FilterBank:
        """Return the null model of the same size and gains; see `shuffle`."""
        return replace(self, shuffle=seed)

    def _seen_plainly(self, maps: Tensor, bank: Tensor, gabors: int) -> Tensor:
        seen = []
        if gabors:
            seen.append(self._gabor_responses(maps, bank[:gabors]))
        if gabors < len(bank):
            seen.append(take_parts(filter_responses(maps, bank[gabors:], border=self.border), self.low_pass_parts))
        return torch.cat(seen, dim=-3) if len(seen) > 1 else seen[0]

    def _gabor_responses(self, maps: Tensor, bank: Tensor) -> Tensor:
        if self.parts == ("energy",):
            return local_energy(maps, bank, border=self.border)
        return take_parts(filter_responses(maps, bank, border=self.border), self.parts)

    def _candidates_on_device(self, maps: Tensor, bank: Tensor, gabors: int, out: Tensor | None) -> Tensor:
        """Compute :meth:`candidates` from one spectrum, writing each once."""
        blurs, many = gabors * len(self.parts), (len(bank) - gabors) * len(self.low_pass_parts)
        seen = maps.new_empty(*maps.shape[:-2], blurs + many, *maps.shape[-2:]) if out is None else out
        spectrum = transform_maps(maps, bank, self.border)
        for members, parts, first in ((bank[:gabors], self.parts, 0), (bank[gabors:], self.low_pass_parts, blurs)):
            for some, responses in responses_in_parts(spectrum, members, maps.shape[-2:]):
                place = seen[..., first + some.start * len(parts) : first + some.stop * len(parts), :, :]
                if parts == ("energy",):
                    torch.abs(responses, out=place)
                else:
                    place.copy_(take_parts(responses, parts))
        return seen

    def _table(self) -> tuple[Filter, ...]:
        absolute = self.sigma_unit == "absolute"
        gabors = [
            Filter("log_gabor", part, wavelength, angle, width * (wavelength if absolute else 1), spread)
            for angle in self.angles
            for wavelength in self.wavelengths
            for width, spread in zip(self.sigma_on_f, self.sigma_theta, strict=False)
            for part in self.parts
        ]
        blurs = [
            Filter("low_pass", part, 2 * math.pi * sigma) for sigma in self.low_pass for part in self.low_pass_parts
        ]
        return (*gabors, *blurs)

    def _grid(self, size: tuple[int, int]) -> tuple[int, int]:
        scale = 2 if self.border == "reflect" else 1
        return scale * size[0], scale * size[1]


def take_parts(responses: Tensor, parts: Sequence[Part]) -> Tensor:
    """Return the parts of complex responses, one after the other for each; see :class:`Filter`.

    Args:
        responses: Shape ``(..., g, H, W)``, complex.
        parts: Names of the parts.

    Returns:
        Shape ``(..., g * parts, H, W)``, parts fastest.

    Example:
        >>> take_parts(torch.tensor([[[3 + 4j, 1]]]), ("energy", "odd", "half_wave")).flatten(-2).tolist()
        [[5.0, 1.0], [4.0, 0.0], [1.0, 0.0]]
    """
    even = responses.real
    above = (
        (even - even.mean((-2, -1), keepdim=True)).clamp_min(0) if {*parts} & {"half_wave", "half_squared"} else even
    )
    take = {
        "energy": responses.abs, "even": lambda: even, "odd": lambda: responses.imag,
        "half_wave": lambda: above, "half_squared": above.square,
    }  # fmt: skip
    return torch.stack([take[part]() for part in parts], dim=-3).flatten(-4, -3)


def _sample(
    bank: FilterBank, size: tuple[int, int], group: range | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    grid = bank._grid(size)
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
    """Cache of sampled banks, limited in size, since images of many sizes need one bank each."""

    def __init__(self, limit: int) -> None:
        self.limit, self.bytes, self.banks = limit, 0, OrderedDict[tuple[Any, ...], Tensor]()

    def __call__(self, *key: Any) -> Tensor:
        if key in self.banks:
            self.banks.move_to_end(key)
        else:
            with torch.inference_mode(False):  # otherwise unusable with gradients
                self.banks[key] = _sample(*key)
            self.bytes += self.banks[key].nbytes
        self._forget()
        return self.banks[key]

    def _forget(self) -> None:
        while len(self.banks) > 1 and self.bytes > self.limit:
            self.bytes -= self.banks.popitem(last=False)[1].nbytes

    @contextmanager
    def at_most(self, limit: int) -> Iterator[None]:
        """Limit the cached bytes inside the block, except for the latest bank."""
        before, self.limit = self.limit, min(self.limit, limit)
        self._forget()
        try:
            yield
        finally:
            self.limit = before


_sampled = _Remembered(2 * _WHOLE_BYTES)
REMEMBERED_BYTES = _sampled.limit
sampled_bytes_at_most = _sampled.at_most
