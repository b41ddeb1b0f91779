"""Conversion of a learned graph to a standalone model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from torch import Tensor, nn

from explainsal.distillation.filter_sums import FilterSums
from explainsal.distillation.graph import LearnedGraph, SourceWeights, StagePlan
from explainsal.distillation.network import Standalone
from explainsal.distillation.stage import CENTER, Stage, StageTerms

_NEVER = -1e4  # lower bound of scores, which are not clamped


@torch.no_grad()
def freeze(graph: LearnedGraph, images: Iterable[Tensor]) -> Standalone:
    """Return a graph as a standalone model, with the same maps up to rounding.

    Args:
        graph: Trained graph.
        images: Training images ``(B, 3, H, W)`` at the graph's input size, RGB in [0, 1]; standard deviations of
            candidates and maps, which the tables of the model show, are measured on them.
    """
    stages = [_freeze_stage(graph, plan) for plan in graph.plan]
    model = Standalone(graph.bank, "opponent", graph.input_size, stages, "log_density")
    _measure(model, images)
    return model


def _freeze_stage(graph: LearnedGraph, plan: StagePlan) -> Stage:
    norm = cast(nn.BatchNorm2d, graph.norms[plan.name])
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    gain = norm.weight / (variance + norm.eps).sqrt()
    rows: list[list[tuple[float, int, int, int]]] = [[] for _ in range(plan.maps)]  # weight, source, place, filter
    for position, name in enumerate(plan.sources):
        weights = cast(SourceWeights, cast(nn.ModuleDict, graph.sums[plan.name])[name])
        value = weights.value * gain[:, None, None]
        ids = [-1] if name == CENTER else cast(FilterSums, graph.filters[name]).ids
        for number, place, which in value.nonzero().tolist():
            rows[number].append((float(value[number, place, which]), position, place, ids[which]))
    width = max(map(len, rows))
    padded = [sorted(row, key=lambda term: -abs(term[0])) + [(0.0, -1, 0, -1)] * (width - len(row)) for row in rows]
    weight, source, place, filters = (
        torch.tensor([[term[field] for term in row] for row in padded]) for field in range(4)
    )
    last = plan is graph.plan[-1]
    return Stage(
        plan.name, plan.size, plan.sources, tuple(range(plan.maps)),
        StageTerms(
            source=source, place=place, filter=filters, weight=weight, constant=norm.bias - mean * gain,
            spread=torch.ones_like(weight), scale=torch.ones(plan.maps),
            lowest=torch.full((plan.maps,), _NEVER if last else 0.0),
        ),
        graph.bank,
    )  # fmt: skip


def _measure(model: Standalone, images: Iterable[Tensor]) -> None:
    """Set the standard deviations of all candidates and maps, over all pixels of the images."""
    totals: list[list[Tensor]] = []
    for batch in images:
        maps: dict[str, Tensor] = {}
        values = []
        for stage, responses in zip(model.stages, model.image_responses(batch), strict=True):
            candidates = stage.candidates(maps, responses)
            maps[stage.name] = stage(maps, responses)
            values += [candidates, maps[stage.name]]
        totals.append([torch.stack(_sums(one)) for one in values])
    sums = [torch.stack(each).sum(0) for each in zip(*totals, strict=True)]
    spreads = [((squared / count) - (total / count) ** 2).clamp_min(0).sqrt().float() for count, total, squared in sums]
    for stage, candidate, own in zip(model.stages, spreads[::2], spreads[1::2], strict=True):
        stage.spread.copy_(candidate[stage.slot] * (stage.source >= 0))
        stage.scale.copy_(own)


def _sums(maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return the number of values, their sum and their sum of squares, of each map of ``(B, N, h, w)``."""
    values = maps.double().transpose(0, 1).flatten(1)
    return torch.full((len(values),), float(values.shape[1])), values.sum(1), values.square().sum(1)
