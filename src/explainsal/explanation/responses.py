"""Responses of maps to a filter bank (Eq. 1), which become the candidates of a layer."""

from __future__ import annotations

from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.transfer import transfer_functions
from explainsal.functional.kernels.row_kernels import RowScaling
from explainsal.functional.responses import responses_of_kinds


def bank_responses(
    bank: FilterBank, maps: Tensor, group: range | None = None, out: Tensor | None = None,
    scaling: RowScaling | None = None,
) -> Tensor:  # fmt: skip
    """Filter maps: local energy (Eq. 1), and the signed blur for low-pass filters.

    Args:
        bank: The filters.
        maps: Shape ``(..., H, W)``.
        group: One of :func:`~.transfer.filter_groups`; None: all filters.
        out: Output array, if any.
        scaling: Standardization of each response while it is in the cache, where compiled loops run.

    Returns:
        Shape ``(..., g, H, W)``, filters in the order of :meth:`~.bank.FilterBank.available`.
    """
    size = (int(maps.shape[-2]), int(maps.shape[-1]))
    transfer = transfer_functions(bank, size, group, dtype=maps.dtype, device=maps.device)
    first = 0 if group is None else group.start
    blurs = len(bank.low_pass) * len(bank.low_pass_parts)
    gabors = min(len(transfer), max(0, len(bank.filters_for(size)) - blurs - first) // len(bank.parts))
    kinds = [(range(gabors), bank.parts), (range(gabors, len(transfer)), bank.low_pass_parts)]
    return responses_of_kinds(maps, transfer, kinds, border=bank.border, out=out, scaling=scaling)
