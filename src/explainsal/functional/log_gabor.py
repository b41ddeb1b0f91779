"""Log-Gabor transfer functions on the FFT grid, and the responses of maps to them.

The bank is the paper's (Section I, unnumbered equation and Eq. 1; Section II-B1). docs/decisions/0002-log-gabor-bank.md
gives the choices that the paper leaves open.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.responses import Border, inverse, responses_of_kinds, transform_maps

_PIXELS = 2**16  # pixels of transfer functions that are evaluated at a time


def log_gabor_bank(
    size: tuple[int, int],
    wavelengths: Sequence[float],
    orientations: Sequence[float],
    sigma_on_f: Sequence[float],
    sigma_theta: Sequence[float],
    *,
    sigma_unit: Literal["ratio", "absolute"] = "ratio",
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Sample log-Gabor transfer functions on the FFT grid of an image (unnumbered equation of Section I).

    .. math:: \exp\frac{-\log^2(f/f_0)}{2\log^2(\sigma_f/f_0)} \exp\frac{-\Delta(\theta,\theta_0)^2}{2\sigma_\theta^2},
        \quad f_0 = 1/\lambda_0

    `sigma_on_f` is the ratio :math:`\sigma_f/f_0`, and :math:`\Delta` is wrapped to (-pi, pi] (decision 0002). Each
    filter covers one side of the spectrum, so its response is complex: even part + i odd part.

    Args:
        size: Image height and width ``(H, W)``, in pixels.
        wavelengths: Centre wavelengths, in pixels per cycle. Below 2 the peak lies beyond the axes' Nyquist frequency.
        orientations: Centre orientations, in radians; 0 is along +x, pi/2 along +y (down the rows).
        sigma_on_f: Radial widths, dimensionless, not 1; the band widens with ``|log(sigma_on_f)|``.
        sigma_theta: Angular widths, in radians, paired one to one with `sigma_on_f`.
        sigma_unit: ``"absolute"`` reads `sigma_on_f` as :math:`\sigma_f` itself, in cycles per pixel.
        dtype: dtype of the result; the equation is evaluated in float64.
        device: Device of the result.

    Returns:
        Shape ``(G, H, W)``, values in [0, 1], DC at ``[:, 0, 0]``; ordered by orientation, then wavelength, then width.

    Raises:
        ValueError: If a size, wavelength or width is not positive, a ratio is 1, or the width lists differ in length.

    Example:
        >>> bank = log_gabor_bank((32, 48), [4.0], [0.0, 1.57], sigma_on_f=[0.55], sigma_theta=[0.5])
        >>> bank.shape, bank[0].argmax().item()    # 48 px / 4 px per cycle: column 12 of row 0
        (torch.Size([2, 32, 48]), 12)
    """
    _check_positive(size=size, wavelengths=wavelengths, sigma_on_f=sigma_on_f, sigma_theta=sigma_theta)
    widths = _width_factors(wavelengths, sigma_on_f, sigma_theta, sigma_unit)
    bank = torch.empty(len(orientations), len(wavelengths), len(sigma_on_f), *size, dtype=dtype, device=device)
    step = max(1, _PIXELS // size[1])
    for top in range(0, size[0], step):  # all rows in float64 would set the peak of the memory and exceed the cache
        rows = range(top, min(top + step, size[0]))
        part = bank[..., rows.start : rows.stop, :]
        _write_rows(part, _polar_rows(size, rows, bank.device), orientations, wavelengths, widths)
    bank[..., 0, 0] = 0  # the limit at DC; also where a width is infinite
    return bank.flatten(0, 2)


def _write_rows(
    bank: Tensor,
    polar: tuple[Tensor, Tensor],
    orientations: Sequence[float],
    wavelengths: Sequence[float],
    widths: list[list[tuple[float, float]]],
) -> None:
    """Write some rows of all filters, whose frequencies `polar` gives in octaves and as angles."""
    octaves, angle = polar
    for own, center in zip(bank, orientations, strict=True):
        turned = angle - center
        turned = turned.sub_(torch.round(turned / (2 * math.pi)).mul_(2 * math.pi)).square_()  # wrapped
        for filters, wavelength, pairs in zip(own, wavelengths, widths, strict=True):
            away = (octaves + math.log(wavelength)).square_()  # infinite at DC
            for one, (radial, angular) in zip(filters, pairs, strict=True):
                one[:] = (away * radial).add_(turned, alpha=angular).exp_()


def _width_factors(
    wavelengths: Sequence[float], sigma_on_f: Sequence[float], sigma_theta: Sequence[float], sigma_unit: str
) -> list[list[tuple[float, float]]]:
    """Return the factors of the squared log frequency and angle for every wavelength and pair of widths.

    Raises:
        ValueError: If a ratio is 1, the unit is unknown, or the lists differ in length.
    """
    if len(sigma_on_f) != len(sigma_theta):
        raise ValueError(
            f"sigma_on_f and sigma_theta are paired one to one, got {len(sigma_on_f)} and {len(sigma_theta)} widths"
        )
    if sigma_unit not in ("ratio", "absolute"):
        raise ValueError(f"sigma_unit must be 'ratio' or 'absolute', got {sigma_unit!r}")
    ratios = [[s * (w if sigma_unit == "absolute" else 1) for s in sigma_on_f] for w in wavelengths]
    if any(ratio == 1 for row in ratios for ratio in row):
        raise ValueError(
            "a radial width sigma_f/f0 of 1 has no bandwidth (log 1 = 0): choose any other positive sigma_on_f"
        )
    return [
        [(-0.5 / math.log(ratio) ** 2, -0.5 / spread**2) for ratio, spread in zip(row, sigma_theta, strict=True)]
        for row in ratios
    ]


def gaussian_bank(
    size: tuple[int, int],
    sigmas: Sequence[float],
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Sample the transfer functions of Gaussian blurs (low-pass filters), :math:`\exp(-2 \pi^2 \sigma^2 f^2)`.

    A log-Gabor filter removes the mean, and a bank of finite wavelengths removes structure much coarser than its
    longest wavelength. The paper also argues with differences of Gaussians (Section I), but its bank has no Gaussian
    filters.

    Args:
        size: Image height and width ``(H, W)``, in pixels.
        sigmas: Standard deviations of the blurs, in pixels.
        dtype: dtype of the result; the equation is evaluated in float64.
        device: Device of the result.

    Returns:
        Shape ``(G, H, W)``, values in [0, 1], 1 at DC, in ``torch.fft.fft2`` order.

    Raises:
        ValueError: If a size or sigma is not positive.

    Example:
        >>> gaussian_bank((4, 4), [1.0])[0, 0].tolist()[0]
        1.0
    """
    _check_positive(size=size, sigmas=sigmas)
    frequency = _frequency(size, device)
    sigma = torch.tensor(list(sigmas), dtype=torch.float64, device=device)[:, None, None]
    return torch.exp(-2 * math.pi**2 * sigma**2 * frequency**2).to(dtype)


def filter_responses(maps: Tensor, bank: Tensor, *, border: Border = "circular") -> Tensor:
    """Filter every map with every filter: ``ifft2(fft2(map) * filter)``.

    Args:
        maps: Shape ``(..., H, W)``, real.
        bank: Shape ``(G, H, W)``; for ``border="reflect"`` sampled at the size ``(2 H, 2 W)`` of the mirrored map.
        border: ``"circular"`` continues a map periodically, ``"reflect"`` mirrors it at its edges.

    Returns:
        Shape ``(..., G, H, W)``, complex: even part + i odd part.

    Raises:
        ValueError: If the sizes of maps and bank do not match.

    Example:
        >>> flat = torch.ones(2, 8, 8)
        >>> responses = filter_responses(flat, gaussian_bank((8, 8), [1.0, 2.0]))
        >>> responses.shape, bool(torch.allclose(responses.real, flat[:, None]))
        (torch.Size([2, 2, 8, 8]), True)
    """
    return inverse(transform_maps(maps, bank, border), bank, maps.shape[-2:])


def local_energy(maps: Tensor, bank: Tensor, *, border: Border = "circular") -> Tensor:
    r"""Compute the local energy of every map through every filter (Eq. 1): :math:`\sqrt{O_{even}^2 + O_{odd}^2}`.

    The result equals ``filter_responses(...).abs()``, but only a few complex responses exist at a time.

    Args:
        maps: Shape ``(..., H, W)``, real.
        bank: Shape ``(G, H, W)``; for ``border="reflect"`` sampled at ``(2 H, 2 W)``.
        border: See :func:`filter_responses`.

    Returns:
        Shape ``(..., G, H, W)``, non-negative, in the dtype of `maps`.

    Raises:
        ValueError: If the sizes of maps and bank do not match.

    Example:
        >>> x = torch.arange(32).float() * (2 * math.pi / 8)          # a wave of 8 px per cycle has constant energy
        >>> bank = log_gabor_bank((32, 32), [8.0], [0.0], [0.55], [0.5])
        >>> energy = local_energy(torch.sin(x).expand(32, 32), bank)
        >>> bool(torch.allclose(energy, torch.full((1, 32, 32), 0.5), atol=1e-5))
        True
    """
    return responses_of_kinds(maps, bank, [(range(len(bank)), ("energy",))], border=border)


def _frequency(size: tuple[int, int], device: torch.device | str | None) -> Tensor:
    """Return the radial frequency of every point of the FFT grid, in cycles per pixel, float64."""
    v, u = (torch.fft.fftfreq(n, dtype=torch.float64, device=device) for n in size)
    return torch.hypot(u, v[:, None])


def _polar_rows(size: tuple[int, int], rows: range, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the logarithm of the frequency and the angle in radians of some rows of the FFT grid, float64."""
    octaves, angle = _quarter(size, device)
    v, u = torch.arange(rows.start, rows.stop, device=device), torch.arange(size[1], device=device)
    down, right = torch.minimum(v, size[0] - v), torch.minimum(u, size[1] - u)
    angle = angle[down][:, right]
    angle = torch.where(2 * u >= size[1], math.pi - angle, angle) if size[1] > 1 else angle
    angle = torch.where(2 * v >= size[0], -1, 1)[:, None] * angle if size[0] > 1 else angle
    return octaves[down][:, right], angle


@lru_cache(maxsize=2)
def _quarter(size: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
    """Compute the non-negative quarter of the grid, which the other quarters mirror; cached for large banks."""
    v, u = (torch.arange(n // 2 + 1, dtype=torch.float64, device=device) / n for n in size)
    return torch.log(torch.hypot(u, v[:, None])), torch.atan2(v[:, None].expand(-1, len(u)), u.expand(len(v), -1))


def _check_positive(**values: Sequence[float]) -> None:
    for name, numbers in values.items():
        if not numbers or min(numbers) <= 0:
            raise ValueError(f"{name} must hold positive numbers, got {list(numbers)}")
