"""Inputs of a stage's fit by batch: candidates from earlier stages, and activations as targets."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from explainsal.distillation.network import Standalone
from explainsal.distillation.options import DistillOptions
from explainsal.distillation.responses import CENTER_MAPS, center_maps
from explainsal.distillation.samples import Store
from explainsal.distillation.stage import CENTER
from explainsal.errors import UserError
from explainsal.explanation.bank import FilterBank
from explainsal.explanation.explainer import Explainer
from explainsal.explanation.input_maps import input_maps
from explainsal.explanation.pools import CandidateTable
from explainsal.explanation.responses import bank_responses
from explainsal.functional.images import resize
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.capture import as_in_evaluation, watch_layers
from explainsal.tracing.layers import INPUT, NetworkLayer


class FitInputs:
    """Candidates and targets of any stage; a store avoids repeated computation of values that several stages need.

    Args:
        net: Network; None if densities are the only target.
        layers: Layers with a stage.
        model: Model with the stages so far.
        store: Store of computed values.
    """

    def __init__(
        self,
        net: nn.Module | None,
        layers: Sequence[NetworkLayer],
        model: Standalone,
        options: DistillOptions,
        store: Store | None,
    ) -> None:
        self.net, self.layers, self.model, self.options, self.store = net, layers, model, options, store
        self.input_size = model.input_size
        parameter = None if net is None else next(net.parameters(), None)
        self.device = torch.device("cpu") if parameter is None else parameter.device

    def target(self, layer: NetworkLayer, images: Tensor, density: Tensor | None, start: int) -> Tensor:
        """Return the target of the layer's stage, ``(B, A, h, w)``, for the images that follow the first `start`."""
        fixations = self.net is None or self.options.target == "fixations"
        if fixations and layer is self.layers[-1]:
            return _relative(density, self.stage_size(layer)).to(self.device)
        return self._activations(layer, images, start)

    def _activations(self, layer: NetworkLayer, images: Tensor, start: int) -> Tensor:
        """Return the network's activations at the stage's size; its last map is its prediction."""
        assert self.net is not None
        names = [layer.name] if self.store is None else [other.name for other in self.layers]
        if (found := self._known(f"activations {layer.name}", start, len(images))) is not None:
            return found
        outputs = layer_outputs(self.net, images, names, last=self.layers[-1].name)
        for other in self.layers:
            if other.name in names:
                outputs[other.name] = resize(self._checked(outputs[other.name], other), self.stage_size(other))
                self._keep(f"activations {other.name}", start, outputs[other.name])
        return outputs[layer.name]

    def stage_size(self, layer: NetworkLayer) -> tuple[int, int]:
        """Return height and width of a layer's stage: those of its maps, or of the graph's input if that is smaller."""
        height, width = layer_size(layer)
        return min(height, self.input_size[0]), min(width, self.input_size[1])

    def candidates(self, sources: tuple[str, ...], size: tuple[int, int], images: Tensor, start: int) -> Tensor:
        """Return every source map filtered by every filter, ``(B, N, h, w)``; maps of the position are not filtered."""
        parts = []
        for source in sources:
            if source == CENTER:
                parts.append(center_maps(size, device=self.device).expand(len(images), -1, -1, -1))
            elif source == INPUT:
                parts.append(self._image_candidates(size, images, start))
            else:
                maps = self._stage_maps(source, images, start)
                parts.append(resize_bilinear(bank_responses(self.options.bank, maps).flatten(1, 2), size))
        return torch.cat(parts, dim=1)

    def _image_candidates(self, size: tuple[int, int], images: Tensor, start: int) -> Tensor:
        if (found := self._known(f"image {size}", start, len(images))) is not None:
            return found
        maps = input_maps(resize(images, self.input_size), self.options.input_maps)
        made = resize_bilinear(bank_responses(self.options.bank, maps).flatten(1, 2), size)
        if max(size) <= self.options.largest_map:  # the last map may be large, and only one stage uses it
            self._keep(f"image {size}", start, made)
        return made

    def _stage_maps(self, name: str, images: Tensor, start: int) -> Tensor:
        if (found := self._known(f"stage {name}", start, len(images))) is not None:
            return found
        stage = next(stage for stage in self.model.stages if stage.name == name)
        maps = {s: self._stage_maps(s, images, start) for s in stage.sources if s not in (INPUT, CENTER)}
        available = self.options.bank.filters_for(self.input_size)
        columns = [place * len(available) + available.index(which) for place, which in stage.image_pairs]
        made = stage(maps, self._image_candidates(stage.size, images, start)[:, columns])
        self._keep(f"stage {name}", start, made)
        return made

    def _known(self, name: str, start: int, count: int) -> Tensor | None:
        found = None if self.store is None else self.store.get(name, start, count)
        return None if found is None else found.to(self.device)

    def _keep(self, name: str, start: int, maps: Tensor) -> None:
        if self.store is not None:
            self.store.put(name, start, maps)

    def _checked(self, target: Tensor, layer: NetworkLayer) -> Tensor:
        if tuple(target.shape[1:]) != layer.shape:
            raise UserError(
                f"layer {layer.name} gave maps of {tuple(target.shape[1:])}; the first image had {layer.shape}: "
                "a fit needs images that the network resizes to a common size"
            )
        if not bool(target.isfinite().all()):
            raise UserError(f"layer {layer.name} gives values that are not finite: the network cannot be distilled")
        return target


def layer_outputs(net: nn.Module, images: Tensor, names: Sequence[str], last: str) -> dict[str, Tensor]:
    """Return the activation maps ``(B, A, h, w)`` of some layers, by name.

    The last layer's maps are predictions: the network's own last step, e.g. a softmax, is applied. Densities are in
    units of a uniform map, so a saliency map is never below 0.
    """
    found: dict[str, Tensor] = {}
    with (
        as_in_evaluation(net),
        watch_layers(Explainer(net).core, names, lambda name, out: found.update({name: out.float().clone()})),
    ):
        net(images)
    return {name: _predicted(net, maps) if name == last else maps for name, maps in found.items()}


def _predicted(net: nn.Module, maps: Tensor) -> Tensor:
    finish = getattr(net, "finish", None)
    maps = finish(maps) if callable(finish) else maps
    density = getattr(net, "output", "map") in ("density", "log_density")
    return maps / maps.mean((-2, -1), keepdim=True) if density else maps


def network_input_size(net: nn.Module | None, image: Tensor) -> tuple[int, int]:
    """Return the height and width of an image ``(1, 3, H, W)`` at the network's first layer."""
    prepare = getattr(net, "preprocess", None)
    prepared = image if prepare is None else prepare(image)
    return int(prepared.shape[-2]), int(prepared.shape[-1])


def candidate_table(
    model: Standalone, sources: tuple[str, ...], bank: FilterBank, device: torch.device
) -> CandidateTable:
    """Return the N candidates of a stage, in their order; maps of the position have the filter -1."""
    known = {stage.name: (len(stage.channels), bank.filters_for(stage.size)) for stage in model.stages}
    known[INPUT] = (3 if model.input_kind == "opponent" else 1, bank.filters_for(model.input_size))
    known[CENTER] = (len(CENTER_MAPS), [-1])
    return CandidateTable.of([known[name] for name in sources], device)


def layer_size(layer: NetworkLayer) -> tuple[int, int]:
    """Return the height and width of a layer's maps."""
    return int(layer.shape[1]), int(layer.shape[2])


def _relative(density: Tensor | None, size: tuple[int, int]) -> Tensor:
    """Resize densities and divide them by their mean (units of a uniform map): ``(B, 1, h, w)``."""
    if density is None:
        raise UserError("target=fixations needs a data set with fixation densities")
    maps = resize(density.float()[:, None], size)
    return maps / maps.mean((-2, -1), keepdim=True).clamp_min(1e-12)
