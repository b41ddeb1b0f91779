"""First screen of a report without scores: fidelity of an explanation, compared with its null models."""

from __future__ import annotations

from dataclasses import dataclass

from explainsal.reporting.nulls import null_table
from explainsal.reporting.results.table import Cell
from explainsal.reporting.results.titles import number
from explainsal.reporting.run_folder import ExplanationTables, Run
from explainsal.reporting.summary import Headline

TO_DEEP = "CC to the deep map"
MEASURES = (
    ("cc_to_deep", TO_DEEP),
    ("layer_correlation", "Layer correlation"),
    ("weighted_layer_correlation", "Weighted layer correlation"),
)


@dataclass(frozen=True)
class _Comparison:
    """A measure of an explanation and of its best null model.

    Args:
        null: Name and value of the best null model; None without null models.
    """

    label: str
    own: Cell
    null: tuple[str, Cell] | None


def explanation_headlines(run: Run) -> list[Headline]:
    """Return each measure of the last preset and of its best null model; without measures, the layer correlation."""
    if not run.explanations:
        return []
    tables = list(run.explanations.values())[-1]
    measured = _measured(tables)
    if not measured:
        return [Headline("Layer correlation", number(_layers(tables)), f"mean over {len(tables.depth)} layers")]
    found = []
    for measure in measured:
        found.append(Headline(measure.label, number(measure.own.mean), measure.own.interval))
        if measure.null is not None:
            name, null = measure.null
            found.append(Headline(f"Null model: {name}", number(null.mean), null.interval))
    return found


def null_headline(run: Run, preset: str) -> list[Headline]:
    """Return the best null model's correlation with the deep map, as a reference for a preset's own number."""
    tables = run.explanations.get(preset)
    measured = [] if tables is None else _measured(tables)
    to_deep = next((measure for measure in measured if measure.label == TO_DEEP), None)
    if to_deep is None or to_deep.null is None:
        return []
    name, null = to_deep.null
    return [Headline(f"Null model: {name}", number(null.mean), f"CC to deep {null.interval}".strip())]


def explanation_sentences(run: Run) -> list[str]:
    """Return a sentence on the result of each preset."""
    return [_sentence(tables) for tables in run.explanations.values()]


def _sentence(tables: ExplanationTables) -> str:
    depth = tables.depth
    images = tables.layers["image"].nunique()
    pictures = "one picture" if images == 1 else f"{images} pictures"
    text = (
        f"The preset {tables.preset} rebuilds {len(depth)} layers of {pictures} "
        f"with a mean correlation of {number(_layers(tables))}; the last one, "
        f"{depth['name'].iloc[-1]}, with {number(float(depth['correlation'].iloc[-1]))}"
    )
    for measure in _measured(tables)[:1]:
        text += f". Its map has a correlation of {number(measure.own.mean)} with the network’s"
        if measure.null is not None:
            text += f"; that of its best null model, {measure.null[0]}, has {number(measure.null[1].mean)}"
    return f"{text}."


def _layers(tables: ExplanationTables) -> float:
    return float(tables.depth["correlation"].mean())


def _measured(tables: ExplanationTables) -> list[_Comparison]:
    if tables.fidelity is None:
        return []
    table = null_table(tables.fidelity)
    found = []
    for metric, label in MEASURES:
        cells = {model: cell for (model, name), cell in table.cells.items() if name == metric}
        own = cells.pop("explanation", None)
        if own is None:
            continue
        name, best = max(cells.items(), key=lambda item: item[1].mean, default=("", None))
        found.append(_Comparison(label, own, None if best is None else (name.replace("_", " "), best)))
    return found
