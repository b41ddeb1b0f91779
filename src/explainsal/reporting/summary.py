"""First screen of a report: the run and its results, in sentences and four numbers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from explainsal.models.saliency_model import DEEP, UNTRAINED
from explainsal.reporting.paper.table import PaperTable, find_cell
from explainsal.reporting.results.table import Cell, ResultsTable
from explainsal.reporting.results.titles import model_title, number
from explainsal.reporting.run_folder import EXPLAINABLE, Run

HEADLINE = "cc"
_REFERENCES = ("center_", "chance", "gold_standard", EXPLAINABLE)  # rows other than the evaluated model
DATA_TITLES = {
    "osie": "OSIE",
    "salicon": "SALICON",
    "mit1003": "MIT1003",
    "mit300": "MIT300",
    "synthetic": "synthetic scenes",
}


@dataclass(frozen=True)
class Headline:
    """A number on the first screen."""

    label: str
    value: str
    note: str


def title(run: Run, tables: list[ResultsTable]) -> str:
    """Return the model and the data, if known."""
    name = model_title(str(_model(run).get("name", "")) or "A run")
    data = tables[0].protocol.get("data", "") if tables else ""
    mark = f", {UNTRAINED}" if run.untrained else ""
    if not data:
        return f"{name}{', explained' if run.explanations else ''}{mark}"
    return f"{name} on {DATA_TITLES.get(data, data)}{mark}"


def main_model(table: ResultsTable) -> str:
    """Return the main row of a run: the network, or else the first model that is not a baseline; "" without either."""
    others = [model for model in table.models if not model.startswith(_REFERENCES)]
    return DEEP if DEEP in table.models else next(iter(others), "")


def headlines(table: ResultsTable) -> list[Headline]:
    """Return the CC of the model, the center bias and the best explanation, and its CC to the deep map."""
    preset, main = best_explainable(table), main_model(table)
    wanted = [
        (main, HEADLINE, model_title(main)),
        ("center_bias", HEADLINE, "Center bias alone"),
        (preset, HEADLINE, f"Explainable model, {preset.partition('/')[2]}"),
        (preset, f"{HEADLINE}_to_deep", "Explainable to deep"),
    ]
    found = [(label, model, table.cells.get((model, metric))) for model, metric, label in wanted]
    return [
        Headline(
            label, number(cell.mean), ", ".join(filter(None, (f"CC {cell.interval}".strip(), table.subset(model))))
        )
        for label, model, cell in found
        if cell
    ]


def table_headlines(table: PaperTable) -> list[Headline]:
    """Return headlines of a paper table: the reference row, and the best classical model, network and baseline."""
    kinds = ("classical", "network", "baseline")
    best = [table.rows[table.rows["group"] == kind].nlargest(1, HEADLINE) for kind in kinds]
    chosen = pd.concat([table.rows[table.rows["model"] == table.about.reference], *best]).drop_duplicates("model")
    most = table.rows["images"].max()
    found = []
    for row in chosen.to_dict("records"):
        if cell := find_cell(row, HEADLINE):
            subset = f"{row['images']:.0f} of {most:.0f} images" if row["images"] < most else ""
            note = ", ".join(filter(None, (f"CC {cell.interval}".strip(), subset)))
            found.append(Headline(str(row["title"]), number(cell.mean), note))
    return found


def best_explainable(table: ResultsTable) -> str:
    """Return the explainable model closest to the deep map, or else closest to the ground truth."""
    models = [model for model in table.models if model.startswith(EXPLAINABLE)]

    def likeness(model: str) -> tuple[float, float]:
        cells = (table.cells.get((model, f"{HEADLINE}_to_deep")), table.cells.get((model, HEADLINE)))
        to_deep, to_truth = (cell.mean if cell is not None else float("-inf") for cell in cells)
        return to_deep, to_truth

    return max(models, key=likeness, default="")


def sentences(table: ResultsTable, per_image: pd.DataFrame | None = None) -> list[str]:
    """Summarize the numbers together with their references.

    Args:
        per_image: Scores of single images, for comparisons on the same images.
    """
    cells = table.cells
    main = main_model(table)
    own, center_bias = (cells.get((model, HEADLINE)) for model in (main, "center_bias"))
    preset = best_explainable(table)
    explainable, alike = (cells.get((preset, metric)) for metric in (HEADLINE, f"{HEADLINE}_to_deep"))
    found = []
    if own and center_bias:
        name = "The deep model" if main == DEEP else model_title(main)
        found.append(f"{name} predicts where people looked {_relation(own, center_bias)}.")
    if explainable and alike:
        found.append(
            f"Its closest explanation, the preset {preset.partition('/')[2]}, has a correlation of "
            f"{number(alike.mean)} with the deep map and of {number(explainable.mean)} with the ground truth"
            + _on_the_same_images(table, preset, per_image)
        )
    return found


def _on_the_same_images(table: ResultsTable, preset: str, per_image: pd.DataFrame | None) -> str:
    """Return an explanation's share of the images, and the deep model's result on the same images."""
    if not table.subset(preset):
        return "."
    sentence = f", on {table.subset(preset)}"
    if per_image is None or HEADLINE not in per_image:
        return f"{sentence}."
    ids = per_image.loc[per_image["model"] == preset, "id"]
    deep = per_image.loc[(per_image["model"] == "deep") & per_image["id"].isin(ids), HEADLINE].mean()
    return f"{sentence}, where the deep model itself reaches {number(deep)}."


def cautions(run: Run) -> list[str]:
    """Return the warnings that readers must not miss."""
    found = []
    if run.untrained:
        found.append("This network was not trained: its weights are random, and so are its saliency maps.")
    if run.explanations:
        found.append(
            "An explanation is computed from the activations of every layer, so a good fit alone proves little. "
            "Judge it by its distance to the null models."
        )
    return found


def _relation(one: Cell, other: Cell) -> str:
    if one.low > other.high:
        return "better than the center bias"
    if one.high < other.low:
        return "worse than the center bias"
    return "about as well as the center bias: their intervals overlap"


def facts(run: Run) -> list[tuple[str, str]]:
    """Return labels and values of the known facts on the model and the run."""
    manifest, model = run.manifest, _model(run)
    pairs = [
        ("Network" if model.get("parameters") else "Model", model_title(str(model.get("name") or ""))),
        ("Parameters", grouped(model.get("parameters") or None)),
        ("MACs", scaled(model.get("macs"))),
        ("Input", "×".join(map(str, model.get("input_size") or ()))),
        ("Weights", Path(str(model.get("weights") or "")).name),
        ("Device", manifest.device),
        ("Took", duration(manifest.started or None, manifest.finished or None)),
        ("Seed", manifest.seed),
    ]
    return [(label, str(value)) for label, value in pairs if value not in (None, "")]


def commands(run: Run) -> list[str]:
    """Return the shell lines that repeat this run and this report."""
    manifest = run.manifest
    lines = [f"git checkout {manifest.git_commit}"] if manifest.git_commit else []
    lines += [manifest.command] if manifest.command else []
    return [*lines, f"python -m explainsal.report run={short(run.folder)}"]


def short(folder: Path) -> Path:
    """Return a folder as a user would type it, from the parent of ``outputs``."""
    parts = folder.resolve().parts
    return Path(*parts[parts.index("outputs") :]) if "outputs" in parts else Path(folder.name)


def _model(run: Run) -> dict[str, Any]:
    return dict(run.manifest.model or {})


def grouped(count: int | None) -> str:
    """Group digits by thousands.

    Example:
        >>> grouped(2512345)
        '2 512 345'
    """
    return "" if count is None else f"{count:,}".replace(",", " ")


def scaled(count: float | None) -> str:
    """Format a number with three digits and a prefix.

    Example:
        >>> scaled(1_234_567_890), scaled(12_000), scaled(None)
        ('1.23 G', '12 k', '')
    """
    if count is None:
        return ""
    for size, prefix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.3g} {prefix}"
    return f"{count:g}"


def duration(started: str | None, finished: str | None) -> str:
    """Return the time between two ISO dates, in words.

    Example:
        >>> duration("2026-11-23T06:00:00", "2026-11-23T07:02:30")
        '1 h 2 min'
        >>> duration("yesterday", "2026-11-23T07:02:30")
        ''
    """
    if not started or not finished:
        return ""
    try:
        seconds = round((datetime.fromisoformat(finished) - datetime.fromisoformat(started)).total_seconds())
    except (ValueError, TypeError):  # a damaged record
        return ""
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
