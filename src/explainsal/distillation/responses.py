"""Responses of selected pairs of map and filter; a frozen graph does not need all combinations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.transfer import transfer_functions
from explainsal.functional.responses import continued, take_parts

CENTER_MAPS = ("center .12", "center .20", "center .35", "vertical", "vertical squared", "horizontal squared")
_SIGMAS = (0.12, 0.2, 0.35)

Pair = tuple[int, int]
"""Map of a source, and position in ``bank.filters``."""


def center_maps(size: tuple[int, int], *, device: torch.device | str = "cpu") -> Tensor:
    """Return maps of the position: Gaussians around the center, and polynomials, in units of width and height.

    Returns:
        Shape ``(6, *size)``, float32, in the order of `CENTER_MAPS`. The polynomials are functions of the signed
        distance to the center, in [-.5, .5].

    Example:
        >>> maps = center_maps((3, 5))
        >>> [round(value, 3) for value in maps[:, 1, 2].tolist()]
        [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    y, x = (((torch.arange(n, device=device) + 0.5) / n - 0.5) for n in size)
    y, x = y[:, None].expand(size), x[None, :].expand(size)
    gaussians = [torch.exp(-(x * x + y * y) / (2 * sigma**2)) for sigma in _SIGMAS]
    return torch.stack([*gaussians, y, y * y, x * x]).float()


def pair_responses(maps: Tensor, bank: FilterBank, pairs: Sequence[Pair]) -> Tensor:
    """Filter some maps with one filter each, as :func:`bank_responses` filters all maps with all filters.

    The pairs are plain numbers and spectra are stored as pairs of real numbers, so that `torch.export` and ONNX can
    represent the graph.

    Args:
        maps: Shape ``(B, P, h, w)``.
        pairs: Map and position in ``bank.filters``, for each response.

    Returns:
        Shape ``(B, U, h, w)``; differentiable.

    Raises:
        ValueError: If a filter cannot be used for maps of this size.
    """
    if not pairs:
        return maps[:, :0]
    height, width = int(maps.shape[-2]), int(maps.shape[-1])
    rows = transfer_rows(bank, (height, width), [which for _, which in pairs])
    parts = [bank.filters[which].part for _, which in pairs]
    order = sorted(range(len(pairs)), key=lambda i: parts[i])  # groups responses by part
    transfer = transfer_functions(bank, (height, width), dtype=maps.dtype, device=maps.device)[[rows[i] for i in order]]
    spectrum = torch.view_as_real(torch.fft.fft2(continued(maps, bank.border)))[:, [pairs[i][0] for i in order]]
    response = torch.fft.ifft2(torch.view_as_complex(spectrum * transfer[..., None]))
    response = torch.view_as_real(response)[..., :height, :width, :]
    made, start = [], 0
    for part, count in sorted(Counter(parts).items()):
        made.append(take_parts(torch.view_as_complex(response[:, start : start + count].contiguous()), (part,)))
        start += count
    back = sorted(range(len(pairs)), key=order.__getitem__)
    return torch.cat(made, dim=1)[:, back]


def transfer_rows(bank: FilterBank, size: tuple[int, int], filters: Sequence[int]) -> list[int]:
    """Return the rows of ``transfer_functions(bank, size)`` that hold the filters; parts of a response share one."""
    available = bank.filters_for(size)
    position = {which: i for i, which in enumerate(available)}
    gabors = len(available) - len(bank.low_pass) * len(bank.low_pass_parts)
    first = gabors // len(bank.parts)
    rows = []
    for which in filters:
        if which not in position:
            wavelength = bank.filters[which].wavelength
            raise ValueError(f"a filter of {wavelength:g} px does not serve maps of {size[0]} x {size[1]}")
        place = position[which]
        blur = (place - gabors) // len(bank.low_pass_parts)
        rows.append(place // len(bank.parts) if place < gabors else first + blur)
    return rows
