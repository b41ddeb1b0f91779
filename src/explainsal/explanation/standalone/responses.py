"""Single filters over single maps: what a frozen graph needs of a bank, instead of every filter over every map."""

from __future__ import annotations

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank, parts_of
from explainsal.functional.log_gabor import continued

CENTER_MAPS = ("center .12", "center .20", "center .35", "vertical", "vertical squared", "horizontal squared")
_SIGMAS = (0.12, 0.2, 0.35)


def center_maps(size: tuple[int, int], *, device: torch.device | str = "cpu") -> Tensor:
    """Maps that know the position only: Gaussians around the centre, and polynomials, in units of width and height.

    Returns:
        Shape ``(6, *size)``, float32, in the order of `CENTER_MAPS`. Polynomials are of the distance to the centre, in
        [-.5, .5].

    Example:
        >>> maps = center_maps((3, 5))
        >>> [round(value, 3) for value in maps[:, 1, 2].tolist()]
        [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]
    """
    y, x = (((torch.arange(n, device=device) + 0.5) / n - 0.5) for n in size)
    y, x = y[:, None].expand(size), x[None, :].expand(size)
    gaussians = [torch.exp(-(x * x + y * y) / (2 * sigma**2)) for sigma in _SIGMAS]
    return torch.stack([*gaussians, y, y * y, x * x]).float()


def pair_responses(maps: Tensor, bank: FilterBank, place: Tensor, filters: Tensor) -> Tensor:
    """Filter some maps with one filter each, as :meth:`FilterBank.candidates` filters all with all.

    Args:
        maps: Shape ``(B, P, h, w)``.
        bank: The filters.
        place: Shape ``(U,)``, int64: which map.
        filters: Shape ``(U,)``, int64: which of ``bank.filters``.

    Returns:
        Shape ``(B, U, h, w)``; differentiable.

    Raises:
        ValueError: If a filter does not serve maps of this size.
    """
    if not len(place):
        return maps[:, :0]
    transfer = bank.transfer((maps.shape[-2], maps.shape[-1]), dtype=maps.dtype, device=maps.device)
    rows = transfer_rows(bank, (int(maps.shape[-2]), int(maps.shape[-1])), filters)
    spectrum = torch.fft.fft2(continued(maps, bank.border))[:, place]
    response = torch.fft.ifft2(spectrum * transfer[rows])[..., : maps.shape[-2], : maps.shape[-1]]
    parts = [bank.filters[f].part for f in filters.tolist()]
    result = torch.empty_like(response.real)
    for part in dict.fromkeys(parts):
        where = torch.tensor([i for i, p in enumerate(parts) if p == part], device=maps.device)
        result = result.index_copy(1, where, parts_of(response[:, where], (part,)))
    return result


def transfer_rows(bank: FilterBank, size: tuple[int, int], filters: Tensor) -> Tensor:
    """Where in ``bank.transfer(size)`` the filters lie: parts of one response share a row."""
    served = bank.available(size)
    order = torch.full((len(bank),), -1, dtype=torch.int64)
    order[served] = torch.arange(len(served))
    position = order[filters.cpu()]
    if bool((position < 0).any()):
        missing = bank.filters[int(filters[int((position < 0).int().argmax())])]
        raise ValueError(f"a filter of {missing.wavelength:g} px does not serve maps of {size[0]} x {size[1]}")
    gabors = len(served) - len(bank.low_pass) * len(bank.low_pass_parts)
    first = gabors // len(bank.parts)
    rows = torch.where(
        position < gabors, position // len(bank.parts), first + (position - gabors) // len(bank.low_pass_parts)
    )
    return rows.to(filters.device)
