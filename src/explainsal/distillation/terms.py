"""The graph as a table: one row per coefficient, with the share of the saliency map that passes through it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from explainsal.distillation.network import Standalone
from explainsal.distillation.responses import CENTER_MAPS
from explainsal.distillation.stage import CENTER, Stage
from explainsal.explanation.input_maps import INPUT_MAP_NAMES
from explainsal.tracing.layers import INPUT

if TYPE_CHECKING:
    import pandas as pd


def term_table(model: Standalone) -> pd.DataFrame:
    """Return all coefficients of the graph, in the columns of ``coefficients.parquet`` and three more.

    Returns:
        Columns layer (position of the stage), name, map, term, weight, part, wavelength (px of the filtered map),
        orientation (radians), sigma_on_f, sigma_theta, source (``input/red-green``, ``center/...`` or ``layer/map``),
        spread (standard deviation of the candidate over the training images), share (of ``|weight| * spread`` in its
        map) and flow: the share of the saliency map that passes through the term, if every term passes its share on to
        the map that it uses. The flows of the last stage's terms sum to 1, and so do those of all terms of the image
        and of the position.
    """
    import pandas as pd

    rows = [row for number, stage in enumerate(model.stages) for row in _rows(number, stage, model)]
    table = pd.DataFrame(rows)
    size = table["weight"].abs() * table["spread"]
    total = size.groupby([table["layer"], table["map"]]).transform("sum")
    table["share"] = (size / total).where(total > 0, 0.0)
    return table.assign(flow=_flow(table))


def _rows(number: int, stage: Stage, model: Standalone) -> list[dict[str, object]]:
    channels = {s.name: s.channels for s in model.stages}
    weight, spread = stage.weight.detach().tolist(), stage.spread.tolist()
    rows: list[dict[str, object]] = []
    for m, channel in enumerate(stage.channels):
        for t in range(stage.source.shape[1]):
            if (source := int(stage.source[m, t])) < 0:
                continue
            name, place, which = stage.sources[source], int(stage.place[m, t]), int(stage.filter[m, t])
            used = None if which < 0 else model.bank.filters[which]
            rows.append(
                {
                    "layer": number, "name": stage.name, "map": channel, "term": t,
                    "weight": weight[m][t], "part": used.part if used else "",
                    **{key: getattr(used, key) if used else math.nan
                       for key in ("wavelength", "orientation", "sigma_on_f", "sigma_theta")},
                    "source": _source(name, place, channels), "spread": spread[m][t],
                }
            )  # fmt: skip
    return rows


def _source(name: str, place: int, channels: dict[str, tuple[int, ...]]) -> str:
    if name == INPUT:
        return f"{INPUT}/{INPUT_MAP_NAMES[place]}"
    return f"{CENTER}/{CENTER_MAPS[place]}" if name == CENTER else f"{name}/{channels[name][place]}"


def _flow(table: pd.DataFrame) -> pd.Series:
    """Propagate flow from the saliency map downwards: each term receives its share of the flow of its map."""
    flow = table["share"] * 0.0
    last = table["layer"].max()
    reaching: dict[str, float] = {}
    for layer in sorted(table["layer"].unique(), reverse=True):
        for row in table[table["layer"] == layer].itertuples():
            arriving = 1.0 if layer == last else reaching.get(f"{row.name}/{row.map}", 0.0)
            flow[row.Index] = arriving * row.share
            reaching[row.source] = reaching.get(row.source, 0.0) + flow[row.Index]
    return flow
