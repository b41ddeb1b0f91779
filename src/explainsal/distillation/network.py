"""The standalone model: a fixed graph of filtered maps, from the image to a saliency map, without any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn

from explainsal.distillation.responses import pair_responses
from explainsal.distillation.stage import CENTER, Stage
from explainsal.explanation.bank import FilterBank
from explainsal.explanation.input_maps import input_maps
from explainsal.functional.resize import resize_bilinear
from explainsal.tracing.layers import INPUT

Output = Literal["map", "log_density"]


class Standalone(nn.Module):
    """Stages in order; the last one's first map is the saliency map, or its logarithm but for a constant.

    Args:
        bank: The filters of all stages.
        input_kind: Which maps of the image: see :func:`~explainsal.explanation.input_maps.input_maps`.
        input_size: ``(H, W)`` of the images that it was fitted at.
        stages: In the order in which they depend on each other.
        output: ``"map"``, or ``"log_density"``: the softmax over the pixels of the last stage's first map, in units of
            a uniform map, is the saliency map.

    Raises:
        ValueError: If a stage draws on one that does not come before it.
    """

    def __init__(
        self,
        bank: FilterBank,
        input_kind: str,
        input_size: tuple[int, int],
        stages: Sequence[Stage] = (),
        output: Output = "map",
    ) -> None:
        super().__init__()
        self.bank, self.input_kind, self.input_size, self.output = bank, input_kind, input_size, output
        known = {INPUT, CENTER}
        for stage in stages:
            if missing := set(stage.sources) - known:
                raise ValueError(f"stage {stage.name} draws on {', '.join(sorted(missing))}, which come later or never")
            known.add(stage.name)
        self.parts = nn.ModuleList(stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """In the order in which they depend on each other."""
        return cast(tuple[Stage, ...], tuple(self.parts))

    def add(self, stage: Stage) -> None:
        """Append a stage; it may draw on all that are there."""
        self.parts.append(stage)

    def forward(self, images: Tensor) -> Tensor:
        """Saliency maps ``(B, 1, h, w)`` of images ``(B, 3, H, W)``, RGB in [0, 1]."""
        return self.saliency(self.seen(images))

    def saliency(self, seen: Sequence[Tensor]) -> Tensor:
        """The same, given what :meth:`seen` makes of the images."""
        maps = self.stage_maps(seen)[self.stages[-1].name][:, :1]
        if self.output == "map":
            return maps
        return torch.softmax(maps.flatten(1), dim=1).reshape(maps.shape) * (maps.shape[-2] * maps.shape[-1])

    def seen(self, images: Tensor) -> list[Tensor]:
        """The image through the filters that each stage needs, ``(B, V, h, w)`` each: no coefficient changes these."""
        needed = [stage.image_pairs for stage in self.stages]
        place = {pair: i for i, pair in enumerate(sorted({pair for pairs in needed for pair in pairs}))}
        responses = pair_responses(input_maps(images, self.input_kind), self.bank, list(place))
        return [
            resize_bilinear(responses[:, [place[pair] for pair in pairs]], stage.size)
            if pairs
            else responses.new_zeros(images.shape[0], 0, *stage.size)
            for stage, pairs in zip(self.stages, needed, strict=True)
        ]

    def stage_maps(self, seen: Sequence[Tensor]) -> dict[str, Tensor]:
        """The maps of every stage, by name."""
        maps: dict[str, Tensor] = {}
        for stage, one in zip(self.stages, seen, strict=True):
            maps[stage.name] = stage(maps, one)
        return maps

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """The maps of the image and of every stage, by name."""
        return {INPUT: input_maps(images, self.input_kind), **self.stage_maps(self.seen(images))}

    @property
    def coefficients(self) -> int:
        """How many terms there are, constants included."""
        return sum(int((stage.source >= 0).sum()) + len(stage.constant) for stage in self.stages)
