"""Explained batches as data: maps, and per layer the terms and fidelity of its reconstructions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

from explainsal.explanation.bank import FilterBank
from explainsal.explanation.options import Options

_Batched = TypeVar("_Batched", "Coefficients", "LayerExplanation")


@dataclass(frozen=True, eq=False)
class Coefficients:
    """Terms of every reconstruction of a layer: ``sum of weight * candidate, per scale, + constant``.

    Args:
        weights: Shape ``(B, A, T)``: weights of candidates scaled by the option ``scaling``; 0 for unused terms.
        source: Shape ``(B, A, T)``, int64: position in the layer's `parents`; -1 for unused terms.
        channel: Shape ``(B, A, T)``, int64: activation map of that parent whose filtered reconstruction is the
            candidate; 0 for the image; -1 for unused terms.
        filter: Shape ``(B, A, T)``, int64: position in ``bank.filters``; -1 for unused terms.
        scale: Shape ``(T,)``: relative scale of the matching of a term; 1 for sparse coefficients.
        constant: Shape ``(B, A)``; None if the method has no constants.
    """

    weights: Tensor
    source: Tensor
    channel: Tensor
    filter: Tensor
    scale: Tensor
    constant: Tensor | None


@dataclass(frozen=True, eq=False)
class LayerExplanation:
    """Reconstruction of one layer of the network, for B images and A activation maps.

    Args:
        name: Path of the module; ``path:2`` is its second call; ``"output"`` the network's own output.
        type: Class of the module.
        kind: Kind of operation, e.g. ``"conv"``.
        shape: ``(A, H, W)``.
        parents: Layers whose pools gave the candidates; ``"input"`` is the image (its input maps).
        activation_mae: Shape ``(B, A)``: mean absolute error of each reconstruction.
        relative_mae: Shape ``(B, A)``: the same relative to the map's mean absolute deviation; infinite for dead maps.
        correlation: Shape ``(B, A)``: Pearson's correlation over the pixels; NaN for dead (constant) activation maps.
        weighted_correlation: The same with the pixel weights of the reconstruction (option ``output_weight``).
        kept: Shape ``(B, P)``, int64: the maps of the next pool, best first; -1 for empty places.
        coefficients: Terms of each reconstruction.
        seconds: Shape ``(B,)``: time to rebuild the layer, divided equally among images that were rebuilt together;
            None for old files without it. Work queued on an accelerator may not be included.
        channels: Shape ``(B, M)``, int64: the M maps kept on request, with -1 for empty places; else None.
        activations: Shape ``(B, M, H, W)``: these maps, else None.
        reconstructions: Shape ``(B, M, H, W)``: their reconstructions, else None.
    """

    name: str
    type: str
    kind: str
    shape: tuple[int, ...]
    parents: tuple[str, ...]
    activation_mae: Tensor
    relative_mae: Tensor
    correlation: Tensor
    weighted_correlation: Tensor
    kept: Tensor
    coefficients: Coefficients
    seconds: Tensor | None = None
    channels: Tensor | None = None
    activations: Tensor | None = None
    reconstructions: Tensor | None = None

    @property
    def dead(self) -> Tensor:
        """Shape ``(B, A)``: True for constant maps."""
        return self.correlation.isnan() & ~self.activation_mae.isnan()


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """An explained batch as data, the source of tables and files.

    Args:
        saliency_map: Shape ``(B, 1, H, W)``: the network's map.
        explainable_map: Shape ``(B, 1, H, W)``: the reconstruction of the network's last map, at that size. It can be
            signed; clamp it at 0 for metrics that need a density.
        layers: The rebuilt layers in execution order.
        preset: Name of the preset.
        options: All options.
        description: Label for the network's outputs, e.g. ``untrained weights``; usually empty.
    """

    saliency_map: Tensor
    explainable_map: Tensor
    layers: tuple[LayerExplanation, ...]
    preset: str
    options: Options
    description: str = ""

    @property
    def bank(self) -> FilterBank:
        """The filter bank to which ``coefficients.filter`` refers."""
        return self.options.bank

    def __getitem__(self, name: str) -> LayerExplanation:
        """Return a layer by name.

        Raises:
            KeyError: If no layer has this name.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no explained layer {name!r}; there are {', '.join(layer.name for layer in self.layers)}")


def join_batches(parts: Sequence[_Batched]) -> _Batched:
    """Join the images of all parts; `scale` and values that are not tensors are the same in all."""
    values: dict[str, Any] = {}
    for field in fields(parts[0]):
        mine = [getattr(part, field.name) for part in parts]
        if isinstance(mine[0], Tensor) and field.name != "scale":
            values[field.name] = torch.cat(mine)
        elif isinstance(mine[0], Coefficients):
            values[field.name] = join_batches(mine)
    return replace(parts[0], **values)
