"""Conversion of a learned graph to a standalone model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from explainsal.distillation.filter_sums import FilterSums
from explainsal.distillation.graph import LearnedGraph, StagePlan
from explainsal.distillation.network import Standalone
from explainsal.distillation.stage import CENTER, Stage, StageTerms

_NEVER = -1e4  # lower bound of scores, which are not clamped


@dataclass(frozen=True)
class _Term:
    """One coefficient of a map: the weight of a source's map through a filter (-1: none)."""

    weight: float
    source: str
    place: int
    filter: int


@torch.no_grad()
def freeze(graph: LearnedGraph, images: Iterable[Tensor]) -> Standalone:
    """Return a graph as a standalone model, with the same maps up to rounding.

    Maps on which the last map does not depend are left out.

    Args:
        graph: Trained graph.
        images: Training images ``(B, 3, H, W)`` at the graph's input size, RGB in [0, 1]; standard deviations of
            candidates and maps, which the tables of the model show, are measured on them.
    """
    terms = {stage.name: _terms(graph, stage) for stage in graph.plan}
    used = _used_maps(graph.plan, terms)
    stages = [_freeze_stage(graph, stage, terms[stage.name], used) for stage in graph.plan if used[stage.name]]
    model = Standalone(graph.bank, "opponent", graph.input_size, stages, "log_density")
    _measure(model, images)
    return model


def _terms(graph: LearnedGraph, plan: StagePlan) -> list[list[_Term]]:
    """Return the terms of every map, the largest first."""
    gain, _ = _normalization(graph, plan)
    rows: list[list[_Term]] = [[] for _ in range(plan.maps)]
    for source in plan.sources:
        value = graph.weights(plan.name, source).value * gain[:, None, None]
        ids = [-1] if source == CENTER else cast(FilterSums, graph.filters[source]).ids
        for number, place, which in value.nonzero().tolist():
            rows[number].append(_Term(float(value[number, place, which]), source, place, ids[which]))
    return [sorted(row, key=lambda term: -abs(term.weight)) for row in rows]


def _normalization(graph: LearnedGraph, plan: StagePlan) -> tuple[Tensor, Tensor]:
    """Return the factor and the constant by which a stage normalizes each of its maps."""
    norm = cast(nn.BatchNorm2d, graph.norms[plan.name])
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    gain = norm.weight / (variance + norm.eps).sqrt()
    return gain, norm.bias - mean * gain


def _used_maps(plan: Sequence[StagePlan], terms: Mapping[str, list[list[_Term]]]) -> dict[str, list[int]]:
    """Return the maps of each stage on which the last map depends, in ascending order."""
    used: dict[str, set[int]] = {stage.name: set() for stage in plan} | {plan[-1].name: {0}}
    for stage in reversed(plan):
        for number in used[stage.name]:
            for term in terms[stage.name][number]:
                if term.source in used:
                    used[term.source].add(term.place)
    return {name: sorted(maps) for name, maps in used.items()}


def _freeze_stage(
    graph: LearnedGraph, plan: StagePlan, terms: list[list[_Term]], used: Mapping[str, list[int]]
) -> Stage:
    maps = used[plan.name]
    rows, sources = [terms[number] for number in maps], [s for s in plan.sources if used.get(s, True)]
    width = max(map(len, rows))
    missing = (0.0, -1, 0, -1)
    padded = [
        [
            (term.weight, sources.index(term.source), _place(term, used), term.filter) for term in row
        ] + [missing] * (width - len(row))
        for row in rows
    ]  # fmt: skip
    weight, source, place, filters = (
        torch.tensor([[term[field] for term in row] for row in padded]) for field in range(4)
    )
    return Stage(
        plan.name, plan.size, tuple(sources), tuple(maps),
        StageTerms(
            source=source, place=place, filter=filters, weight=weight, constant=_normalization(graph, plan)[1][maps],
            spread=torch.ones_like(weight), scale=torch.ones(len(maps)),
            lowest=torch.full((len(maps),), _NEVER if plan is graph.plan[-1] else 0.0),
        ),
        graph.bank,
    )  # fmt: skip


def _place(term: _Term, used: Mapping[str, list[int]]) -> int:
    """Return the position of the term's map among the used maps of its source."""
    return used[term.source].index(term.place) if term.source in used else term.place


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
