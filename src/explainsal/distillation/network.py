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
    """Stages in order; the first map of the last stage is the saliency map, or its logarithm up to a constant.

    Args:
        bank: Filters of all stages.
        input_kind: Maps of the image, see :func:`~explainsal.explanation.input_maps.input_maps`.
        input_size: ``(H, W)`` of the images in the fit.
        stages: Stages in order of dependence.
        output: ``"map"``, or ``"log_density"``: the saliency map is the softmax over the pixels of the last stage's
            first map, in units of a uniform map.

    Raises:
        ValueError: If a stage uses a source that does not precede it.
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
                raise ValueError(f"stage {stage.name} uses {', '.join(sorted(missing))}, which do not precede it")
            known.add(stage.name)
        self.parts = nn.ModuleList(stages)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """Stages in order of dependence."""
        return cast(tuple[Stage, ...], tuple(self.parts))

    def add(self, stage: Stage) -> None:
        """Append a stage; its sources must be stages of this model."""
        self.parts.append(stage)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)``, RGB in [0, 1], to saliency maps ``(B, 1, h, w)``."""
        return self.saliency(self.image_responses(images))

    def saliency(self, responses: Sequence[Tensor]) -> Tensor:
        """Return the saliency maps, given the output of :meth:`image_responses`."""
        maps = self.stage_maps(responses)[self.stages[-1].name][:, :1]
        if self.output == "map":
            return maps
        return torch.softmax(maps.flatten(1), dim=1).reshape(maps.shape) * (maps.shape[-2] * maps.shape[-1])

    def image_responses(self, images: Tensor) -> list[Tensor]:
        """Filter the image for each stage, ``(B, V, h, w)`` each; the results do not depend on the coefficients."""
        needed = [stage.image_pairs for stage in self.stages]
        place = {pair: i for i, pair in enumerate(sorted({pair for pairs in needed for pair in pairs}))}
        responses = pair_responses(input_maps(images, self.input_kind), self.bank, list(place))
        return [
            resize_bilinear(responses[:, [place[pair] for pair in pairs]], stage.size)
            if pairs
            else responses.new_zeros(images.shape[0], 0, *stage.size)
            for stage, pairs in zip(self.stages, needed, strict=True)
        ]

    def stage_maps(self, responses: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return the maps of every stage, by name."""
        maps: dict[str, Tensor] = {}
        for stage, one in zip(self.stages, responses, strict=True):
            maps[stage.name] = stage(maps, one)
        return maps

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of the image and of every stage, by name."""
        return {INPUT: input_maps(images, self.input_kind), **self.stage_maps(self.image_responses(images))}

    @property
    def coefficients(self) -> int:
        """Number of terms, including constants."""
        return sum(int((stage.source >= 0).sum()) + len(stage.constant) for stage in self.stages)
