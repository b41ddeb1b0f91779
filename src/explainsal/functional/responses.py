"""Complex responses of maps to filters, and the parts of these that are candidates (Eq. 1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from explainsal.functional.kernels import response_kernels
from explainsal.functional.kernels.dispatch import loops_run
from explainsal.functional.kernels.response_kernels import PARTS, Part
from explainsal.functional.kernels.row_kernels import RowScaling

Border = Literal["circular", "reflect"]

# Elements of a complex work array on a CPU (2**19 x 8 bytes = 4 MiB stay in the cache) and on an accelerator (256 MiB).
_CPU_CHUNK, _ACCELERATOR_CHUNK = 2**19, 2**25


def responses_of_kinds(
    maps: Tensor, bank: Tensor, kinds: Sequence[tuple[range, Sequence[Part]]], *, border: Border = "circular",
    out: Tensor | None = None, scaling: RowScaling | None = None,
) -> Tensor:  # fmt: skip
    """Compute parts of the responses of maps to several kinds of filters (Eq. 1), a few complex responses at a time.

    Args:
        maps: Shape ``(..., H, W)``, real.
        bank: Shape ``(G, H, W)``; for ``border="reflect"`` sampled at ``(2 H, 2 W)``.
        kinds: Runs of filters, and the parts to take of each: see :func:`take_parts`.
        border: See :func:`~.log_gabor.filter_responses`.
        out: Tensor for the result, in its shape; the results of one map are contiguous.
        scaling: Standardization of each resulting map, only where compiled loops run; None: no standardization.

    Returns:
        Shape ``(..., C, H, W)``, ordered by run, then filter, then part.
    """
    pairs = [(member, part) for run, parts in kinds for member in run for part in parts]
    seen = maps.new_empty(*maps.shape[:-2], len(pairs), *maps.shape[-2:]) if out is None else out
    if loops_run(maps, bank):
        level = _level(maps)  # scaled to a largest magnitude of 1: squares of very small values would underflow
        spectrum = transform_maps(maps / level, bank, border).reshape(-1, *bank.shape[1:])
        takes = [(member, PARTS.index(part), place) for place, (member, part) in enumerate(pairs)]
        into = seen.view(-1, len(takes), *maps.shape[-2:])
        response_kernels.write_responses(spectrum, bank, takes, level.reshape(-1), into, scaling)
        return seen
    spectrum, place = transform_maps(maps, bank, border), 0
    for run, parts in kinds:
        for responses in _in_chunks(spectrum, bank[run.start : run.stop], maps.shape[-2:]):
            count = responses.shape[-3] * len(parts)
            _take(responses, parts, seen[..., place : place + count, :, :])
            place += count
    return seen


def _in_chunks(spectrum: Tensor, bank: Tensor, size: Sequence[int]) -> Iterator[Tensor]:
    """Yield the complex responses ``(..., g, H, W)`` of all maps to a few filters after the other."""
    filters = max(1, (_CPU_CHUNK if spectrum.device.type == "cpu" else _ACCELERATOR_CHUNK) // spectrum.numel())
    for some in bank.split(filters) if len(bank) else ():
        yield inverse(spectrum, some, size)


def _take(responses: Tensor, parts: Sequence[Part], out: Tensor) -> None:
    """Write the parts of responses to `out`."""
    if tuple(parts) == ("energy",) and not responses.requires_grad:
        torch.abs(responses, out=out)  # one pass; small values do not underflow
    else:
        out.copy_(take_parts(responses, parts))


def take_parts(responses: Tensor, parts: Sequence[Part]) -> Tensor:
    """Return the parts of complex responses, one after the other for each.

    Args:
        responses: Shape ``(..., g, H, W)``, complex.
        parts: Some of ``"energy"``, the magnitude; ``"even"``, the real part; ``"odd"``, the imaginary part;
            ``"half_wave"``, the excess of the real part over its mean (0 below it), and ``"half_squared"``, its square.

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


def _level(maps: Tensor) -> Tensor:
    """Return the largest magnitude of every map, 1 for a map of zeros: shape ``(..., 1, 1)``."""
    level = torch.linalg.vector_norm(maps, torch.inf, (-2, -1), keepdim=True)
    return level.masked_fill(level == 0, 1)


def continued(maps: Tensor, border: str) -> Tensor:
    """Mirror maps ``(..., H, W)`` to ``(..., 2 H, 2 W)`` for the FFT, or return them unchanged (circular).

    Raises:
        ValueError: If the border is neither ``"circular"`` nor ``"reflect"``.
    """
    if border == "circular":
        return maps
    if border != "reflect":
        raise ValueError(f"border must be 'circular' or 'reflect', got {border!r}")
    maps = torch.cat([maps, maps.flip(-1)], dim=-1)
    return torch.cat([maps, maps.flip(-2)], dim=-2)


def transform_maps(maps: Tensor, bank: Tensor, border: str) -> Tensor:
    """Compute the spectrum of the maps, continued as `border` says: ``(..., H', W')``, the size of the bank."""
    maps = continued(maps, border)
    if maps.shape[-2:] != bank.shape[-2:]:
        raise ValueError(
            f"with border={border!r} the bank must be sampled at {tuple(maps.shape[-2:])}, got {tuple(bank.shape[-2:])}"
        )
    return torch.fft.fft2(maps)


def inverse(spectrum: Tensor, bank: Tensor, size: Sequence[int]) -> Tensor:
    """Return the complex responses ``(..., G, H, W)`` of maps with these spectra ``(..., H', W')`` to a bank."""
    if loops_run(bank) and spectrum.dtype == bank.dtype.to_complex() and not spectrum.requires_grad:
        product = response_kernels.filtered(spectrum.reshape(-1, *bank.shape[-2:]), bank)
        product = product.reshape(*spectrum.shape[:-2], *bank.shape)
    else:
        product = spectrum[..., None, :, :] * bank
    return torch.fft.ifft2(product)[..., : size[0], : size[1]]
