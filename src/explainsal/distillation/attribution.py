"""Exact decomposition of the saliency map into additive parts, by the linearity of sums and filters."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from explainsal.distillation.network import Standalone
from explainsal.distillation.responses import pair_responses
from explainsal.distillation.stage import CENTER, Stage
from explainsal.explanation.input_maps import INPUT_MAP_NAMES
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.layers import INPUT

CONSTANT, THRESHOLDS, CLAMPING = "constant", "thresholds", "clamping"
_LINEAR = ("even", "odd")  # parts of responses; the others are functions with a bend
BY = ("source", "wavelength", "orientation", "part")


@torch.no_grad()
def attribute(model: Standalone, images: Tensor, by: str = "source") -> dict[str, Tensor]:
    """Return the contribution of each kind of term to the saliency map, or to the scores before the final softmax.

    A stage's map is a sum. A blur of an earlier map, or an even or odd response of it, is the sum of the responses of
    that map's terms, which are decomposed recursively. The recursion ends at terms of the image, of the position, or of
    a nonlinear function of an earlier map (its energy, or the part above its mean). Where a map is clamped, it has its
    lowest value and no other part. Nothing is approximated.

    Args:
        images: Shape ``(B, 3, H, W)``, RGB in [0, 1], at the model's input size.
        by: Property by which terms are grouped. ``"source"``: ``input/red-green``, ``center``, or the stage whose
            energy, half-wave or constant it is; ``"wavelength"`` (px of the filtered map; ``blur 2`` is a blur of sigma
            2 px), ``"orientation"`` (degrees), ``"part"``.

    Returns:
        Maps ``(B, h, w)`` that add up to the last stage's map. ``"none"`` holds terms without the property (a blur has
        no orientation), ``"constant"`` the last stage's constant, ``"thresholds"`` those of the other stages, where
        these maps are not clamped, and ``"clamping"`` the lowest values of clamped maps.

    Raises:
        ValueError: If `by` has another value.
    """
    if by not in BY:
        raise ValueError(f"by must be one of {', '.join(map(repr, BY))}; got {by!r}")
    return _Attribution(model, images, by).of(model.stages[-1], 0)


class _Attribution:
    def __init__(self, model: Standalone, images: Tensor, by: str) -> None:
        self.model, self.by = model, by
        self.responses = dict(zip((stage.name for stage in model.stages), model.image_responses(images), strict=True))
        self.maps = model.stage_maps(list(self.responses.values()))
        self.stages = {stage.name: stage for stage in model.stages}
        self._known: dict[tuple[str, int], dict[str, Tensor]] = {}

    def of(self, stage: Stage, number: int) -> dict[str, Tensor]:
        """Return the parts of one map of a stage."""
        if (stage.name, number) not in self._known:
            self._known[stage.name, number] = self._made(stage, number)
        return self._known[stage.name, number]

    def _made(self, stage: Stage, number: int) -> dict[str, Tensor]:
        added = stage.contributions(self.maps, self.responses[stage.name], number)
        whole = self.maps[stage.name][:, number]
        parts: dict[str, Tensor] = {}
        for term in range(added.shape[1]):
            source = int(stage.source[number, term])
            if source < 0:
                continue
            for label, part in self._term(stage, number, term, stage.sources[source], added[:, term]).items():
                parts[label] = parts.get(label, 0) + part
        constant, lowest = stage.constant[number].expand_as(whole), stage.lowest[number]
        label = stage.name if self.by == "source" else THRESHOLDS
        if stage is self.model.stages[-1]:
            label = CONSTANT
        parts[label] = parts.get(label, 0) + constant
        above = added.sum(1) + constant > lowest
        parts = {label: part * above for label, part in parts.items()}
        parts[CLAMPING] = parts.get(CLAMPING, 0) + lowest * ~above
        return parts

    def _term(self, stage: Stage, number: int, term: int, source: str, added: Tensor) -> dict[str, Tensor]:
        place, which = int(stage.place[number, term]), int(stage.filter[number, term])
        used = None if which < 0 else self.model.bank.filters[which]
        if used is None or used.part not in _LINEAR or source == INPUT:
            return {self._label(source, place, which): added}
        below = self.of(self.stages[source], place)
        stacked = torch.stack(list(below.values()), dim=1)
        filtered = pair_responses(stacked, self.model.bank, [(part, which) for part in range(len(below))])
        filtered = resize_bilinear(filtered, stage.size) * stage.weight[number, term]
        return dict(zip(below, filtered.unbind(1), strict=True))

    def _label(self, source: str, place: int, which: int) -> str:
        if self.by == "source":
            return f"{INPUT}/{INPUT_MAP_NAMES[place]}" if source == INPUT else source
        if source == CENTER:
            return CENTER
        used = self.model.bank.filters[which]
        if self.by == "part":
            return used.part
        if self.by == "wavelength" and used.kind == "low_pass":
            return f"blur {used.wavelength / (2 * math.pi):.4g}"
        value = used.wavelength if self.by == "wavelength" else math.degrees(used.orientation)
        return "none" if math.isnan(value) else f"{value:.4g}"
