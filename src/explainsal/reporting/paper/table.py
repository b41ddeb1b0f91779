"""A table of the paper, compared with the same rows measured here: `table.csv`, `table.json`, `table.md`."""

from __future__ import annotations

import json
import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import pandas as pd

from explainsal.metrics.bootstrap import holm, paired_difference, sign_flip_test
from explainsal.reporting.parse import read_csv, read_json
from explainsal.reporting.results.table import Cell
from explainsal.reporting.results.titles import metric_title, number

METRICS = ("sim", "cc", "sauc", "auc_judd")  # columns of the paper's tables, in their order
TO_DEEP = "cc_to_deep"  # additional column for explainable models and their null models
GROUPS = {
    "classical": "Classical models",
    "explainable": "Explainable models",
    "network": "Networks",
    "baseline": "Baselines and bounds",
    "null_model": "Null models of the explanation",
}
LEVEL = 0.05
DONE = ("scored", "submitted")  # states of a finished row; the other states are "missing" and "failed"


@dataclass(frozen=True)
class Outcome:
    """Result of a row.

    Args:
        model: Key: a model's name, ``explainable_<network>``, or ``<null>_<network>``.
        group: One of `GROUPS`.
        title: Displayed name.
        status: ``scored``, ``submitted`` (maps written, ground truth withheld), ``missing`` or ``failed``.
        note: Remarks for readers: missing parts, training data of the weights, number of images.
    """

    model: str
    group: str
    title: str
    status: str
    note: str = ""


@dataclass(frozen=True)
class About:
    """Description of a table, shown above and below it.

    Args:
        source: Number of the table in the paper, e.g. ``Table I``.
        paper_data: Images of the paper's table, in its words.
        caption: Protocol of the values measured here.
        comparable: Whether both use the same images.
        reference: Key of the reference row of the paired tests; "" if nothing was measured.
    """

    source: str
    paper_data: str
    caption: str
    comparable: bool
    reference: str


@dataclass(frozen=True, eq=False)
class PaperTable:
    """A table of the paper, compared with the same rows measured here.

    Args:
        rows: `table.csv`: a row per model; for each metric ``<metric>_paper``, the mean and its interval, and the
            paired difference to the reference row with its interval and Holm-adjusted p-value.
    """

    about: About
    rows: pd.DataFrame

    @property
    def reference_title(self) -> str:
        """Displayed name of the reference row."""
        named = self.rows.loc[self.rows["model"] == self.about.reference, "title"]
        return str(named.iloc[0]) if len(named) else ""

    @property
    def metrics(self) -> list[str]:
        """Columns: those of the paper, then the comparison with the deep map if there is one."""
        return [*METRICS, *([TO_DEEP] if self.rows[TO_DEEP].notna().any() else [])]

    def groups(self) -> list[tuple[str, list[dict[Hashable, object]]]]:
        """Return the rows by kind, in the paper's order."""
        by_kind = self.rows.groupby("group", sort=False)
        kinds = [kind for kind in GROUPS if kind in by_kind.groups]
        return [(GROUPS[kind], by_kind.get_group(kind).to_dict("records")) for kind in kinds]

    @property
    def findings(self) -> list[str]:
        """Main result as a sentence: comparison of the reference row with the classical models."""
        classical = self.rows[(self.rows["group"] == "classical") & (self.rows["status"] == "scored")]
        if not self.about.reference or classical.empty:
            return []
        beaten = [
            f"{sum(find_mark(row, metric) == '▼' for row in classical.to_dict('records'))} in {metric_title(metric)}"
            for metric in METRICS
        ]
        return [
            f"Of the {len(classical)} classical models, {self.reference_title} is better than {', '.join(beaten)}, "
            "in paired tests on the same images."
        ]

    @property
    def notes(self) -> list[str]:
        """Remarks that readers of the numbers need."""
        about = self.about
        same = (
            f"the same images as here ({about.caption}); the paper names neither the metric's code nor a sigma"
            if about.comparable
            else f"other images than here ({about.caption}), so its numbers are not comparable with these"
        )
        tested = (
            f"▲ and ▼: better and worse than {self.reference_title} on the same images; ≈: no difference found "
            f"(sign-flip test of the paired differences, Holm-adjusted within a column, level {LEVEL:g})."
        )
        return [f"Paper: {about.source}, {about.paper_data}: {same}.", *([tested] if about.reference else [])]


@cache
def paper_figures() -> pd.DataFrame:
    """Return the paper's numbers: table, source, data, model, method, then the metrics."""
    return pd.read_csv(Path(__file__).with_name("paper_tables.csv"))


def find_cell(row: Mapping[Hashable, object], metric: str) -> Cell | None:
    """Return the measured mean of a row with its interval, or None."""
    mean, low, high = (float(str(row.get(f"{metric}{part}", math.nan))) for part in ("", "_low", "_high"))
    return None if math.isnan(mean) else Cell(mean, low, high)


def find_mark(row: Mapping[Hashable, object], metric: str) -> str:
    """Return the row's mark relative to the reference row: ▲, ▼, ≈, or empty if they were not compared."""
    p, difference = (float(str(row.get(f"{metric}_{part}", math.nan))) for part in ("p", "versus"))
    if math.isnan(p):
        return ""
    return "≈" if p >= LEVEL else "▲" if difference > 0 else "▼"


def build_table(
    name: str, outcomes: Sequence[Outcome], per_image: pd.DataFrame, results: pd.DataFrame, caption: str, data: str
) -> PaperTable:
    """Combine the paper's numbers, the means measured here and the paired tests.

    Args:
        name: ``table1``, ``table2`` or ``table3``.
        outcomes: One outcome per row.
        per_image: Scores of the scored rows: model, index, the metrics.
        results: Means of the scores, see `summarize`.
    """
    printed = paper_figures().query("table == @name")
    reference = _reference(outcomes)
    rows = pd.DataFrame([asdict(outcome) for outcome in outcomes])
    rows = rows.merge(_paper_columns(printed), on="model", how="left").merge(_means(results), on="model", how="left")
    for metric in (*METRICS, TO_DEEP):
        rows[metric] = rows.get(metric, math.nan)
        tests = _paired(per_image, metric, reference)
        rows = rows.merge(tests, on="model", how="left") if len(tests) else rows
    source, paper_data = printed.iloc[0][["source", "data"]]
    return PaperTable(About(source, paper_data, caption, _same_images(paper_data, data), reference), rows)


def write_table_files(folder: Path, table: PaperTable) -> None:
    """Write ``table.csv``, ``table.json`` and ``table.md``."""
    folder.mkdir(parents=True, exist_ok=True)
    table.rows.to_csv(folder / "table.csv", index=False, float_format="%.6g")
    (folder / "table.json").write_text(json.dumps(asdict(table.about), indent=1) + "\n")
    (folder / "table.md").write_text(markdown(table))


def read_table(folder: Path) -> PaperTable:
    """Read the files of `write_table_files`.

    Raises:
        CorruptFileError: If a file is truncated or lacks a column.
    """
    rows = read_csv(folder / "table.csv", columns=("model", "group", "title", "status", "note", *METRICS, TO_DEEP))
    return PaperTable(About(**read_json(folder / "table.json")), rows.fillna({"note": ""}))


def markdown(table: PaperTable) -> str:
    """Return the table as Markdown, followed by the remarks."""
    heads = [head for m in table.metrics for head in (metric_title(m), *(["paper"] if m in METRICS else []))]
    lines = [f"| {' | '.join(['Model', *heads])} |", f"|{'---|' * (len(heads) + 1)}"]
    remarks: list[str] = []
    for group, rows in table.groups():
        lines.append(f"| **{group}** |{' |' * len(heads)}")
        for row in rows:
            cells = [text for metric in table.metrics for text in _texts(row, metric)]
            lines.append(f"| {row['title']}{_footnote(str(row['note']), remarks)} | {' | '.join(cells)} |")
    listed = [f"{i}. {remark}" for i, remark in enumerate(remarks, start=1)]
    return "\n".join([*lines, "", *(f"{note}\n" for note in table.notes), *listed]) + "\n"


def _texts(row: Mapping[Hashable, object], metric: str) -> list[str]:
    cell = find_cell(row, metric)
    absent = str(row["status"]) if metric == METRICS[0] and row["status"] != "scored" else "–"
    here = f"{cell} {find_mark(row, metric)}".strip() if cell else absent
    return [here, *([number(float(str(row[f"{metric}_paper"])))] if metric in METRICS else [])]


def _footnote(note: str, remarks: list[str]) -> str:
    """Return the number of a remark, which is added to the list unless it is already there."""
    if not note:
        return ""
    if note not in remarks:
        remarks.append(note)
    return f" <sup>{remarks.index(note) + 1}</sup>"


def _reference(outcomes: Sequence[Outcome]) -> str:
    """Return the first scored explainable model, or else the first scored row."""
    scored = [o for o in outcomes if o.status == "scored"]
    return next((o.model for o in scored if o.group == "explainable"), scored[0].model if scored else "")


def _paper_columns(printed: pd.DataFrame) -> pd.DataFrame:
    return printed[["model", *METRICS]].rename(columns={metric: f"{metric}_paper" for metric in METRICS})


def _means(results: pd.DataFrame) -> pd.DataFrame:
    """Return a row per model: images, and each metric's mean and interval."""
    if results.empty:
        return pd.DataFrame({"model": pd.Series(dtype=str), "images": pd.Series(dtype=float)})
    rows = []
    for model, table in results.groupby("model", sort=False):
        row: dict[str, object] = {"model": model, "images": table["images"].max()}
        for metric, mean, low, high in table[["metric", "mean", "low", "high"]].itertuples(index=False):
            if metric in (*METRICS, TO_DEEP):
                row |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


def _paired(per_image: pd.DataFrame, metric: str, reference: str) -> pd.DataFrame:
    """Return each row's difference to the reference row on their common images, and its p-value."""
    if metric not in per_image or not reference or metric == TO_DEEP:
        return pd.DataFrame()
    wide = per_image.pivot_table(metric, "index", "model", sort=False)
    others = [model for model in wide if model != reference and reference in wide]
    found = []
    for model in others:
        difference = paired_difference(wide[model], wide[reference])
        p = sign_flip_test(wide[model].to_numpy(), wide[reference].to_numpy())
        found.append((model, difference.mean, difference.low, difference.high, p))
    columns = ["model", *(f"{metric}_{part}" for part in ("versus", "versus_low", "versus_high", "p"))]
    frame = pd.DataFrame(found, columns=columns)
    return frame.assign(**{f"{metric}_p": holm(frame[f"{metric}_p"])})


def _same_images(paper_data: str, data: str) -> bool:
    return paper_data.split()[0].lower() == data
