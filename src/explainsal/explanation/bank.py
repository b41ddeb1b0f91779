"""Filter banks as data: the parameters of every filter."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from explainsal.functional.kernels.response_kernels import Part
from explainsal.functional.log_gabor import gaussian_bank, log_gabor_bank
from explainsal.functional.responses import Border


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
            object.__setattr__(self, name, _read_numbers(name, getattr(self, name)))
        object.__setattr__(self, "parts", tuple(self.parts))
        if not self.parts or not set(self.parts) <= {"energy", "even", "odd"}:
            raise ValueError(f"parts must be some of 'energy', 'even', 'odd'; got {self.parts}")
        object.__setattr__(self, "low_pass_parts", tuple(self.low_pass_parts))
        if not self.low_pass_parts or not set(self.low_pass_parts) <= {"even", "half_wave", "half_squared"}:
            raise ValueError(
                f"low_pass_parts must be some of 'even', 'half_wave', 'half_squared'; got {self.low_pass_parts}"
            )
        if not isinstance(self.n_orientations, int) or self.n_orientations < 1:
            raise ValueError(f"n_orientations must be a whole number from 1, got {self.n_orientations}")
        object.__setattr__(self, "filters", self._table())
        self._check()

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

    def shuffled(self, seed: int = 0) -> FilterBank:
        """Return the null model of the same size and gains; see `shuffle`."""
        return replace(self, shuffle=seed)

    def _check(self) -> None:
        """Raise for impossible parameters here instead of during an explanation."""
        if self.wavelengths:
            widths = (self.sigma_on_f, self.sigma_theta)
            log_gabor_bank((4, 4), self.wavelengths, self.angles, *widths, sigma_unit=self.sigma_unit)
        if self.low_pass or not self.wavelengths:
            gaussian_bank((4, 4), self.low_pass)

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


def _read_numbers(name: str, values: Any) -> tuple[float, ...]:
    try:
        return tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a list of numbers, got {values!r}") from None
