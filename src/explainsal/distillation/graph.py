"""The trainable form of the standalone model: a graph whose terms are chosen by gradient descent.

At first every map is a weighted sum of all its candidates. A training drops the smallest weights step by step
(`callbacks/pruning.py`) until each map has a few terms; `python -m explainsal.distill checkpoint=best.ckpt` then writes
the graph as a standalone model. docs/decisions/0023 describes the method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from explainsal.distillation.filter_sums import PARTS, FilterSums
from explainsal.distillation.responses import CENTER_MAPS, center_maps
from explainsal.distillation.stage import CENTER
from explainsal.explanation.bank import FilterBank
from explainsal.explanation.input_maps import INPUT_MAP_NAMES, input_maps
from explainsal.explanation.responses import bank_responses
from explainsal.functional.resize import resize_bilinear
from explainsal.models.saliency_model import SaliencyModel, checked_size
from explainsal.tracing.layers import INPUT

GRAPH = "graph"  # name of the model
BANK = FilterBank(
    wavelengths=(3.0, 6.0, 12.0, 24.0), n_orientations=4, sigma_on_f=(0.65,), sigma_theta=(math.pi / 6,),
    parts=PARTS, sigma_unit="ratio", low_pass=(0.5, 1.0, 2.0, 4.0, 8.0), up_to_map_size=True,
)  # fmt: skip
_LONGEST = 12.0  # px; of the filters of maps; the image uses the whole bank
_CENTER_UNIT = 0.25  # about the standard deviation of a map of the position
_CALIBRATION = 4  # images of the first batch that set the units of the weights
_MOMENTUM = 0.02  # of the means and variances that normalize maps outside training; the first batch sets them


@dataclass(frozen=True)
class StagePlan:
    """Name, size, number of maps and sources of a stage; only blurs of the sources in `blurred` are candidates."""

    name: str
    size: tuple[int, int]
    maps: int
    sources: tuple[str, ...]
    blurred: tuple[str, ...] = ()


def plan_stages(input_size: tuple[int, int], widths: Sequence[int], depth: int) -> tuple[StagePlan, ...]:
    """Plan the stages of a graph: one at a quarter of the image's size, `depth` at an eighth, two at a quarter.

    Args:
        input_size: Height and width of the images, multiples of 8.
        widths: Maps of the first stage, of each deep stage and of the last but one.
        depth: Number of deep stages, at least 2. Each of them uses the two stages before it.
    """
    if len(widths) != 3 or min(widths) < 1 or depth < 2:
        raise ValueError(f"three widths of at least 1 and a depth of at least 2 are needed, got {widths} and {depth}")
    quarter, eighth = ((input_size[0] // n, input_size[1] // n) for n in (4, 8))
    names = ["early", *(f"deep{number + 1}" for number in range(depth))]
    deep = (
        StagePlan(names[number], eighth, widths[1], (*names[max(0, number - 2) : number], CENTER))
        for number in range(1, depth + 1)
    )
    return (
        StagePlan("early", quarter, widths[0], (INPUT, CENTER)),
        *deep,
        StagePlan("back", quarter, widths[2], (names[-1], names[-2], "early", CENTER)),
        StagePlan("output", quarter, 1, ("back", CENTER), blurred=("back",)),
    )


class SourceWeights(nn.Module):
    """Weights ``(P, M, F)`` of one source's candidates, in standard deviations of a candidate.

    Args:
        shape: Maps P of the stage, maps M of the source, filters F.
        scale: Standard deviation of the random weights.
    """

    unit: Tensor
    kept: Tensor

    def __init__(self, shape: tuple[int, int, int], scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(shape) * scale)
        self.register_buffer("kept", torch.ones(shape, dtype=torch.bool))
        self.register_buffer("unit", torch.ones(shape[2]))

    @property
    def value(self) -> Tensor:
        """The weights of the candidates themselves; 0 if dropped."""
        return self.weight * self.kept / self.unit


class LearnedGraph(nn.Module):
    """Stages of maps; the softmax of the last one over the pixels is a density.

    Args:
        input_size: See :func:`plan_stages`.
        widths: See :func:`plan_stages`.
        depth: See :func:`plan_stages`.
        bank: Filters; with the parts even, odd and energy.

    Example:
        >>> graph = LearnedGraph((48, 64), widths=(2, 3, 2), depth=2)
        >>> graph(torch.rand(1, 3, 48, 64)).shape, graph.terms > 100
        (torch.Size([1, 1, 12, 16]), True)
        >>> graph.prune(5), graph.terms
        (None, 5)
    """

    calibrated: Tensor

    def __init__(
        self,
        input_size: tuple[int, int] = (144, 192),
        widths: Sequence[int] = (24, 40, 16),
        depth: int = 4,
        bank: FilterBank = BANK,
    ) -> None:
        super().__init__()
        self.input_size, self.bank, self.plan = input_size, bank, plan_stages(input_size, widths, depth)
        size = {INPUT: input_size, **{stage.name: stage.size for stage in self.plan}}
        count = {INPUT: len(INPUT_MAP_NAMES), **{stage.name: stage.maps for stage in self.plan}}
        filters = {
            source: FilterSums(bank, size[source], math.inf if source == INPUT else _LONGEST)
            for source in dict.fromkeys(s for stage in self.plan for s in stage.sources if s != CENTER)
        }
        self.filters, self.sums, self.norms = nn.ModuleDict(filters), nn.ModuleDict(), nn.ModuleDict()
        for stage in self.plan:
            shapes = {
                s: (stage.maps, len(CENTER_MAPS), 1) if s == CENTER else (stage.maps, count[s], len(filters[s]))
                for s in stage.sources
            }
            scale = 1 / math.sqrt(sum(maps * each for _, maps, each in shapes.values()))
            self.sums[stage.name] = nn.ModuleDict({s: SourceWeights(shape, scale) for s, shape in shapes.items()})
            self.norms[stage.name] = nn.BatchNorm2d(stage.maps, momentum=_MOMENTUM)
            for source in stage.blurred:
                self.weights(stage.name, source).kept[..., : 3 * filters[source].gabors] = False
        self.register_buffer("calibrated", torch.tensor(False))

    def weights(self, stage: str, source: str) -> SourceWeights:
        """Return the weights with which a stage uses a source."""
        return cast(SourceWeights, cast(nn.ModuleDict, self.sums[stage])[source])

    @property
    def terms(self) -> int:
        """Largest number of terms of a map."""
        return max(map(self._terms_of, self.plan))

    def _terms_of(self, stage: StagePlan) -> int:
        kept = [self.weights(stage.name, source).kept.flatten(1) for source in stage.sources]
        return int(torch.cat(kept, 1).sum(1).max())

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` of the input size, RGB in [0, 1], to log-densities ``(B, 1, H / 4, W / 4)``."""
        with torch.autocast(images.device.type, enabled=False):
            scores = self.stage_maps(images.float())[self.plan[-1].name]
            return scores.flatten(1).log_softmax(1).view_as(scores)

    def stage_maps(self, images: Tensor) -> dict[str, Tensor]:
        """Return the maps of every stage, by name."""
        calibrate = self.training and not bool(self.calibrated)
        maps: dict[str, Tensor] = {}
        arriving: dict[str, list[Tensor]] = {stage.name: [] for stage in self.plan}
        self._pass_on(INPUT, input_maps(images, "opponent"), arriving, calibrate)
        for stage in self.plan:
            position = self.weights(stage.name, CENTER)
            if calibrate:
                position.unit.fill_(_CENTER_UNIT)
            fixed = center_maps(stage.size, device=images.device)
            combined = sum(arriving.pop(stage.name), torch.einsum("pm,mhw->phw", position.value[..., 0], fixed))
            norm = cast(nn.BatchNorm2d, self.norms[stage.name])
            norm.momentum = 1.0 if calibrate else _MOMENTUM
            combined = norm(combined)
            maps[stage.name] = combined if stage is self.plan[-1] else combined.relu()
            self._pass_on(stage.name, maps[stage.name], arriving, calibrate)
        if calibrate:
            self.calibrated.fill_(True)
        return maps

    def _pass_on(self, source: str, maps: Tensor, arriving: dict[str, list[Tensor]], calibrate: bool) -> None:
        """Add a source's weighted responses to all stages that use it, which are computed together."""
        users = [stage for stage in self.plan if source in stage.sources]
        if not users:
            return
        weights = [self.weights(stage.name, source) for stage in users]
        filters = cast(FilterSums, self.filters[source])
        if calibrate:
            unit = filters.spreads(maps[:_CALIBRATION])
            for one in weights:
                one.unit.copy_(unit)
        value = torch.cat([one.value for one in weights])
        if source == INPUT:
            sums = self._image_sums(maps, value, users[0].size)
        else:
            sums = filters(maps, value, energies=not all(source in stage.blurred for stage in users))
        for stage, part in zip(users, sums.split([stage.maps for stage in users], 1), strict=True):
            arriving[stage.name].append(resize_bilinear(part.contiguous(), stage.size))

    def _image_sums(self, maps: Tensor, value: Tensor, size: tuple[int, int]) -> Tensor:
        """Sum the responses of the image, which need no gradient, at the size of the stage."""
        with torch.no_grad():
            seen = torch.cat([resize_bilinear(bank_responses(self.bank, one[None]), size) for one in maps])
        return torch.matmul(value.flatten(1), seen.flatten(1, 2).flatten(2)).unflatten(-1, size)

    @torch.no_grad()
    def prune(self, terms: int) -> None:
        """Keep at most the `terms` largest weights of every map, in standard deviations; dropped ones never return.

        Called before every step, it also resets dropped weights that an optimizer with momentum has moved.
        """
        for stage in self.plan:
            parts = [self.weights(stage.name, source) for source in stage.sources]
            if self._terms_of(stage) > terms:
                size = torch.cat([(one.weight.abs() * one.kept).flatten(1) for one in parts], 1)
                keep = torch.zeros_like(size, dtype=torch.bool).scatter_(1, size.topk(terms, 1).indices, True)
                for one, part in zip(parts, keep.split([p.kept[0].numel() for p in parts], 1), strict=True):
                    one.kept &= part.view_as(one.kept)
            for one in parts:
                one.weight.mul_(one.kept)


def build(
    *,
    widths: Sequence[int] = (24, 40, 16),
    depth: int = 4,
    input_size: Sequence[int] = (144, 192),
    shuffle: int | None = None,
    weights: str | Path | None = None,
) -> SaliencyModel:
    """Build a graph with its preprocessing, to be trained by ``explainsal.train``.

    Args:
        widths: Maps of the first stage, of each deep stage and of the last but one.
        depth: Number of deep stages, at least 2.
        input_size: Height and width that images are resized to, multiples of 8.
        shuffle: Seed that shuffles the filters' frequencies, for a null model; None: log-Gabor filters.
        weights: Checkpoint of a trained graph. None: random weights.
    """
    size = checked_size(input_size, 8)
    assert size is not None
    options = {"widths": list(widths), "depth": depth, "input_size": list(size), "shuffle": shuffle}
    graph = LearnedGraph(size, tuple(widths), depth, BANK if shuffle is None else BANK.shuffled(shuffle))
    model = SaliencyModel(graph, name=GRAPH, options=options, input_size=size, output="log_density")
    return model.load_weights(weights) if weights is not None else model
