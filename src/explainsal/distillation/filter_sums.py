"""Weighted sums of the filter responses of maps, differentiable and fast enough for a training on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.transfer import transfer_functions
from explainsal.functional.kernels.response_kernels import Part

PARTS: tuple[Part, ...] = ("even", "odd", "energy")
_MATRIX_PIXELS = 500  # filters of so small maps are matrices, which bfloat16 multiplies faster than an FFT filters
_TOGETHER = 4  # images whose responses are computed at the same time, so that they stay in the cache


class FilterSums(nn.Module):
    """Filters for maps of one size: the parts even, odd and energy of each log-Gabor, and then the blurs.

    Args:
        bank: Bank with the parts :data:`PARTS`, and blurs with the part even.
        size: Height and width of the maps.
        longest: Longest wavelength that is used, in pixels of the maps.

    Attributes:
        ids: Position of each filter in ``bank.filters``.
    """

    transfer: Tensor
    matrix: Tensor

    def __init__(self, bank: FilterBank, size: tuple[int, int], longest: float) -> None:
        super().__init__()
        if bank.parts != PARTS or bank.low_pass_parts != ("even",):
            raise ValueError(f"a learned graph needs a bank with the parts {PARTS} and blurs with the part 'even'")
        self.size = size
        ids, transfer = bank.filters_for(size), transfer_functions(bank, size)
        self.blurs = len(bank.low_pass)
        gabors = len(transfer) - self.blurs
        used = [g for g in range(gabors) if bank.filters[ids[3 * g]].wavelength <= longest]
        self.ids = [ids[3 * g + part] for g in used for part in range(3)] + ids[3 * gabors :]
        self.gabors = len(used)
        self.register_buffer("transfer", torch.cat([transfer[used], transfer[gabors:]]), persistent=False)
        small = size[0] * size[1] <= _MATRIX_PIXELS
        self.register_buffer("matrix", self._matrix() if small else torch.empty(0), persistent=False)

    def __len__(self) -> int:
        return len(self.ids)

    def _matrix(self) -> Tensor:
        """Return all even, all odd and all blurred responses to each single pixel: ``(h w, linear responses h w)``."""
        pixels = torch.eye(self.size[0] * self.size[1]).view(-1, 1, *self.size)
        gabor, blur = self._responses(pixels)
        return torch.cat([gabor.real, gabor.imag, blur], 2).flatten(1).bfloat16()

    def _responses(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        responses = torch.fft.ifft2(torch.fft.fft2(maps)[:, :, None] * self.transfer)
        return responses[:, :, : self.gabors], responses[:, :, self.gabors :].real

    @torch.no_grad()
    def spreads(self, maps: Tensor) -> Tensor:
        """Return each filter's standard deviation within a map, ``(F,)``, as a root mean square over all maps."""
        gabor, blur = self._responses(maps)
        parts = torch.stack([gabor.real, gabor.imag, gabor.abs()], 3).flatten(2, 3)
        return torch.cat([parts, blur], 2).var((-2, -1)).mean((0, 1)).sqrt().clamp_min(1e-6)

    def forward(self, maps: Tensor, weight: Tensor, energies: bool = True) -> Tensor:
        """Sum the responses of maps.

        Maps of at most 500 pixels are filtered in bfloat16 (errors of half a percent), others in float32.

        Args:
            maps: Shape ``(B, M, h, w)``.
            weight: Shape ``(P, M, F)``.
            energies: False if no energy has a weight.

        Returns:
            Shape ``(B, P, h, w)``.
        """
        gabor, blur = weight.split([3 * self.gabors, self.blurs], -1)
        even, odd, energy = gabor.unflatten(-1, (self.gabors, 3)).unbind(-1)
        if self.matrix.numel():
            rows = torch.cat([even, odd, blur, energy], -1).flatten(1)
            return _ByMatrix.apply(maps, rows, self.matrix, self.gabors)  # type: ignore[no-any-return]
        spectrum = torch.fft.fft2(maps)
        sums = self._linear(spectrum, torch.cat([even, blur], -1), torch.cat([odd, torch.zeros_like(blur)], -1))
        if energies:
            sums = sums + _EnergySums.apply(spectrum, energy.flatten(1), self.transfer[: self.gabors])
        return sums

    def _linear(self, spectrum: Tensor, even: Tensor, odd: Tensor) -> Tensor:
        """Sum linear responses in the Fourier domain; ``a even + b odd`` is the real part of ``(a - ib) response``."""
        transfer = self.transfer.flatten(1)
        kernel = torch.complex(even @ transfer, -(odd @ transfer))  # (P, M, frequencies)
        sums = torch.bmm(spectrum.flatten(2).permute(2, 0, 1), kernel.permute(2, 1, 0)).permute(1, 2, 0)
        return torch.fft.ifft2(sums.reshape(*sums.shape[:2], *self.size)).real


class _ByMatrix(torch.autograd.Function):
    """Sums of even, odd, blurred and energy responses of small maps, by filter matrices in bfloat16."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, matrix: Tensor, gabors: int) -> Tensor:
        count, channels, pixels = len(maps), maps.shape[1], len(matrix)
        linear, rows, flat = matrix.shape[1] // pixels, weight.bfloat16(), maps.flatten(2).bfloat16()
        seen = flat.new_empty(count, channels, linear + gabors, pixels)
        sums = weight.new_empty(count, len(weight), pixels)
        for some in _runs(count):
            seen[some, :, :linear] = (flat[some].flatten(0, 1) @ matrix).view(-1, channels, linear, pixels)
            even, odd = seen[some, :, :gabors], seen[some, :, gabors : 2 * gabors]
            seen[some, :, linear:] = (even * even).addcmul_(odd, odd).sqrt_()
            for image in range(some.start, some.stop):
                sums[image] = rows @ seen[image].view(-1, pixels)
        ctx.save_for_backward(rows, seen, matrix)
        ctx.gabors, ctx.shape = gabors, maps.shape
        return sums.view(count, len(weight), *maps.shape[2:])

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        rows, seen, matrix = ctx.saved_tensors
        (count, channels, total, pixels), linear = seen.shape, seen.shape[2] - ctx.gabors
        of_weight, of_maps = grad.new_zeros(rows.shape), grad.new_empty(count, channels, pixels)
        columns, flat = rows.t().contiguous(), grad.flatten(2).to(seen.dtype)
        for some in _runs(count):
            of_linear = seen.new_empty(some.stop - some.start, channels, linear, pixels)
            for image in range(some.start, some.stop):
                of_weight += flat[image] @ seen[image].view(-1, pixels).t()
                of_seen = (columns @ flat[image]).view(channels, total, pixels)
                _join_energies(of_seen, seen[image], of_linear[image - some.start], ctx.gabors)
            of_maps[some] = (of_linear.flatten(2).flatten(0, 1) @ matrix.t()).view(-1, channels, pixels).float()
        return of_maps.view(ctx.shape), of_weight, None, None


def _join_energies(of_seen: Tensor, seen: Tensor, of_linear: Tensor, gabors: int) -> None:
    """Write the gradients of linear responses, to which energies add theirs: even / energy and odd / energy."""
    linear = of_linear.shape[1]
    of_linear.copy_(of_seen[:, :linear])
    ratio = of_seen[:, linear:] / seen[:, linear:].clamp_min(1e-3)
    for start in (0, gabors):
        of_linear[:, start : start + gabors].addcmul_(ratio, seen[:, start : start + gabors])


class _EnergySums(torch.autograd.Function):
    """Sums of the magnitudes of responses, one image at a time, so that the responses stay in the cache."""

    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, weight: Tensor, transfer: Tensor) -> Tensor:
        ctx.responses = [torch.fft.ifft2(one[:, None] * transfer) for one in spectrum]
        ctx.energies = [response.abs() for response in ctx.responses]
        ctx.save_for_backward(weight, transfer)
        size = transfer.shape[-2:]
        return torch.stack([(weight @ energy.view(-1, size.numel())).view(-1, *size) for energy in ctx.energies])

    @staticmethod
    @once_differentiable  # type: ignore[misc]
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        weight, transfer = ctx.saved_tensors
        pixels = transfer.shape[-2:].numel()
        of_weight, of_spectrum = torch.zeros_like(weight), []
        for own, response, energy in zip(grad.flatten(2), ctx.responses, ctx.energies, strict=True):
            of_weight += own @ energy.view(-1, pixels).t()
            of_energy = (weight.t() @ own).view_as(energy)
            of_response = torch.fft.fft2(response * (of_energy / energy.clamp_min(1e-12)))
            of_spectrum.append((of_response * transfer).sum(1) / pixels)
        return torch.stack(of_spectrum), of_weight, None


def _runs(count: int) -> list[slice]:
    return [slice(start, min(start + _TOGETHER, count)) for start in range(0, count, _TOGETHER)]
