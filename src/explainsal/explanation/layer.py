"""An explained batch as data: maps, and per layer what its activation maps were rebuilt from and how well."""

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
    """The terms of every reconstruction of a layer: ``sum of weight * candidate, per scale, + constant``.

    Args:
        weights: Shape ``(B, A, T)``, of candidates scaled as the option ``scaling`` says; 0 at unused terms.
        source: Shape ``(B, A, T)``, int64: position in the layer's `parents`; -1 at unused terms.
        channel: Shape ``(B, A, T)``, int64: which activation map of that parent the candidate was made of (its
            reconstruction, through a filter); 0 for the image; -1 at unused terms.
        filter: Shape ``(B, A, T)``, int64: position in ``bank.filters``; -1 at unused terms.
        scale: Shape ``(T,)``: relative scale at which a term was matched; 1 for sparse coefficients.
        constant: Shape ``(B, A)``; None where the method has none.
    """

    weights: Tensor
    source: Tensor
    channel: Tensor
    filter: Tensor
    scale: Tensor
    constant: Tensor | None


@dataclass(frozen=True, eq=False)
class LayerExplanation:
    """One layer of the network, rebuilt. B images, A activation maps.

    Args:
        name: Path of the module; ``path:2`` is its second call; ``"output"`` the network's own output.
        type: Class of the module.
        kind: What it does, e.g. ``"conv"``.
        shape: ``(A, H, W)``.
        parents: The layers its candidates were made of; ``"input"`` is the image (its input maps).
        activation_mae: Shape ``(B, A)``: mean absolute error of each reconstruction.
        relative_mae: Shape ``(B, A)``: the same relative to the map's mean absolute deviation; infinite where dead.
        correlation: Shape ``(B, A)``: Pearson's, over the pixels; NaN where the activation map is dead (constant).
        weighted_correlation: The same with the weights that the layer was rebuilt with (option ``output_weight``).
        kept: Shape ``(B, P)``, int64: the maps of the next pool, best first; -1 where there were not enough.
        coefficients: What each reconstruction is made of.
        seconds: Shape ``(B,)``: how long rebuilding the layer took, shared out among images that were rebuilt
            together; None in a folder written before this was measured. An accelerator may still be at work then.
        channels: Shape ``(B, M)``, int64: which M maps were kept on request, -1 for none; else None.
        activations: Shape ``(B, M, H, W)``: these maps, else None.
        reconstructions: Likewise.
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
        """Shape ``(B, A)``: maps that are constant."""
        return self.correlation.isnan() & ~self.activation_mae.isnan()


@dataclass(frozen=True, eq=False)
class ExplainedBatch:
    """An explained batch as data: what tables and files are made of.

    Args:
        saliency_map: Shape ``(B, 1, H, W)``: what the network returned.
        explainable_map: Shape ``(B, 1, H, W)``: the reconstruction of the network's last map, at that size. Can be
            signed: clamp at 0 where a metric needs a density.
        layers: The rebuilt layers in the order in which they ran.
        preset: Name of the preset that was started from.
        options: All choices.
        description: What must be said of the network beside its maps, e.g. ``untrained weights``; mostly nothing.
    """

    saliency_map: Tensor
    explainable_map: Tensor
    layers: tuple[LayerExplanation, ...]
    preset: str
    options: Options
    description: str = ""

    @property
    def bank(self) -> FilterBank:
        """The filters that ``coefficients.filter`` counts."""
        return self.options.bank

    def __getitem__(self, name: str) -> LayerExplanation:
        """A layer by name.

        Raises:
            KeyError: If no layer is called so.
        """
        for layer in self.layers:
            if layer.name == name:
                return layer
        raise KeyError(f"no explained layer {name!r}; there are {', '.join(layer.name for layer in self.layers)}")


def join_batches(parts: Sequence[_Batched]) -> _Batched:
    """One object whose tensors hold the images of all parts; `scale` and what is no tensor are the same in all."""
    values: dict[str, Any] = {}
    for field in fields(parts[0]):
        mine = [getattr(part, field.name) for part in parts]
        if isinstance(mine[0], Tensor) and field.name != "scale":
            values[field.name] = torch.cat(mine)
        elif isinstance(mine[0], Coefficients):
            values[field.name] = join_batches(mine)
    return replace(parts[0], **values)
