"""Join two standalone models whose stages have the same names, sizes and sources: each stage has the maps of both.

    python experiments/standalone/join.py one/standalone.safetensors other/standalone.safetensors joined.safetensors

A new last stage blurs the saliency maps of both by one pixel and takes half of each, so that the joined model begins as
their mean; `python -m explainsal.distill start=joined.safetensors` refines all coefficients together. Maps of the
second model are numbered from 100 on.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from explainsal.distillation import Standalone, load_standalone, save_standalone
from explainsal.distillation.stage import Stage, StageTerms

OFFSET = 100
FIELDS = tuple(field.name for field in fields(StageTerms))


def joined_terms(one: Stage, other: Stage, counts: dict[str, int]) -> StageTerms:
    """Return the terms of both stages; `counts` is the number of maps of each stage of the first model."""
    place = other.place.clone()
    for position, source in enumerate(other.sources):
        place[other.source == position] += counts.get(source, 0)
    both = {
        name: torch.cat([getattr(one, name), place if name == "place" else getattr(other, name)]) for name in FIELDS
    }
    return StageTerms(**{name: values.detach() for name, values in both.items()})


def mean_stage(last: Stage, name: str) -> Stage:
    """Return a stage whose map is the mean of the two maps of `last`, each blurred by one pixel."""
    filters = last.bank.filters
    blur = min(
        (number for number, one in enumerate(filters) if math.isnan(one.orientation) and one.part == "even"),
        key=lambda number: filters[number].wavelength,
    )

    def row(values: Sequence[float], fill: float = 0) -> Tensor:
        return pad(torch.tensor(values), (0, last.source.shape[1] - len(values)), value=fill)[None]

    terms = StageTerms(
        source=row([0, 0], -1), place=row([0, 1]), filter=row([blur, blur], -1), weight=row([0.5, 0.5]),
        constant=torch.zeros(1), spread=row(last.scale.tolist()), scale=last.scale.mean(0, keepdim=True),
        lowest=last.lowest.amin(0, keepdim=True),
    )  # fmt: skip
    return Stage(name, last.size, (last.name, "input", "center"), (0,), terms, last.bank)


def join(one: Standalone, other: Standalone) -> Standalone:
    """Return the joined model."""
    counts = {stage.name: len(stage.constant) for stage in one.stages}
    stages = []
    for a, b in zip(one.stages, other.stages, strict=True):
        assert (a.name, a.size, a.sources) == (b.name, b.size, b.sources), (a.name, b.name)
        channels = (*a.channels, *(OFFSET + channel for channel in b.channels))
        stages.append(Stage(a.name, a.size, a.sources, channels, joined_terms(a, b, counts), a.bank))
    assert one.bank == other.bank
    assert (one.input_kind, one.output) == (other.input_kind, other.output)
    stages.append(mean_stage(stages[-1], "mean"))
    return Standalone(one.bank, one.input_kind, one.input_size, stages)


def _short(note: dict[str, Any]) -> dict[str, Any]:
    """Return what the file of one model says about itself, without the quality of each of its maps."""
    kept = {name: value for name, value in note.items() if name != "explained"}
    return kept | ({"start": _short(note["start"])} if "start" in note else {})


def main() -> None:
    (one, first), (other, second) = (load_standalone(Path(path)) for path in sys.argv[1:3])
    model = join(one, other)
    path = save_standalone(
        model, sys.argv[3], {"finished": True, "seed": first["seed"], "joined": [_short(first), _short(second)]}
    )
    print(f"{path}: {model.coefficients} coefficients")


if __name__ == "__main__":
    main()
