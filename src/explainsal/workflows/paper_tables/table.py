"""Measure Tables I to III of the paper, row by row: ``python -m explainsal.evaluate -m +experiment=table1``.

Every row is scored separately and kept in ``rows/``. A failing row does not abort the table. The same command scores
only rows that are missing or whose settings changed (docs/decisions/0025).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from explainsal.data.dataset import SaliencyDataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import MissingFilesError, UserError
from explainsal.fetch.fingerprints import find_changes
from explainsal.fetch.writing import read_json, replaced_file, write_json
from explainsal.metrics import SaliencyMetrics
from explainsal.processes import first_only
from explainsal.reporting.html import write_report
from explainsal.reporting.paper.table import DONE, Outcome, build_table, write_table_files
from explainsal.reporting.results.files import summarize, write_results
from explainsal.reporting.results.printing import print_results
from explainsal.reporting.results.titles import protocol_text
from explainsal.reporting.run_figures import write_figures
from explainsal.workflows.paper_tables.options import TableOptions
from explainsal.workflows.paper_tables.rows import Row, choose_rows, find_weights, score_row, submit_row
from explainsal.workflows.runs import RunFolder
from explainsal.workflows.scoring import describe_protocol, prepare_metrics

log = logging.getLogger(__name__)


def make_table(datamodule: SaliencyDataModule, run: RunFolder, options: TableOptions) -> pd.DataFrame:
    """Score every row that has no scores yet, and write the table and its report.

    Args:
        run: The output folder, which may hold the rows of an earlier run.
        options: See `TableOptions`.

    Returns:
        The long results table of all rows that have scores.

    Raises:
        MissingFilesError: If the data set is missing; the table is still written, with this reason in every row.
    """
    rows, folder = choose_rows(options), run.folder
    run.record()
    try:
        datamodule.prepare_data()
    except MissingFilesError as error:
        reason = str(error).splitlines()[0]
        outcomes = [Outcome(row.model, row.group, row.title, "missing", reason) for row in rows]
        write_table(run, options.name, outcomes, pd.DataFrame(), pd.DataFrame(), datamodule.name)
        raise
    dataset = datamodule.dataset(datamodule.eval_split)
    if not dataset.has_fixations:
        outcomes = [make_row(row, partial(_submit, options, row, datamodule, folder)) for row in rows]
        write_table(run, options.name, outcomes, pd.DataFrame(), pd.DataFrame(), dataset.name)
        return pd.DataFrame()
    datamodule.setup("test")
    new_metrics, gain_over = prepare_metrics(options.evaluation, datamodule)
    kept = {
        row.model: _kept(folder, row, _identity(options, row, dataset)) for row in rows
    }  # checked before any row is scored
    outcomes = [
        kept[row.model] or make_row(row, partial(_score, options, row, datamodule, new_metrics, folder)) for row in rows
    ]
    scored = [pd.read_parquet(_scores_file(folder, o.model)) for o in outcomes if o.status == "scored"]
    per_image = pd.concat(scored, ignore_index=True) if scored else pd.DataFrame()
    protocol = describe_protocol(options.evaluation.profile, dataset, gain_over)
    results = summarize(per_image, protocol, seed=options.evaluation.seed) if scored else pd.DataFrame()
    write_table(run, options.name, outcomes, per_image, results, dataset.name)
    return results


def make_row(row: Row, make: Callable[[], tuple[str, str]]) -> Outcome:
    """Make one row; a failing row does not abort the table.

    Args:
        make: Scores or submits the row; returns its status and label.
    """
    log.info("row %s", row.model)
    try:
        status, note = make()
    except UserError as error:
        status, note = "missing", _line(error).partition(" By hand: ")[0]
    except Exception as error:
        log.exception("row %s failed", row.model)
        status, note = "failed", _line(error) or type(error).__name__
    if status not in DONE:
        log.warning("row %s: %s: %s", row.model, status, note)
    return Outcome(row.model, row.group, row.title, status, note)


def _score(
    options: TableOptions,
    row: Row,
    datamodule: SaliencyDataModule,
    new_metrics: Callable[[], SaliencyMetrics],
    folder: Path,
) -> tuple[str, str]:
    """Score a row and keep its scores."""
    dataset = datamodule.dataset(datamodule.eval_split)
    note, per_image = score_row(options, row, datamodule, new_metrics, folder)
    if len(per_image) < len(dataset):
        note = "; ".join(filter(None, [f"{len(per_image)} of {len(dataset)} images", note]))
    _keep(folder, row, note, _identity(options, row, dataset), per_image)
    return "scored", note


def _submit(options: TableOptions, row: Row, datamodule: SaliencyDataModule, folder: Path) -> tuple[str, str]:
    return "submitted", submit_row(options, row, datamodule, folder)


@first_only
def write_table(
    run: RunFolder, name: str, outcomes: list[Outcome], per_image: pd.DataFrame, results: pd.DataFrame, data: str
) -> None:
    """Write and print the table, its figure and its report."""
    folder = run.folder
    if len(results):
        write_results(folder, per_image, results)
        print_results(results)
    table = build_table(name, outcomes, per_image, results, _caption(results, data), data)
    write_table_files(folder, table)
    run.record({"name": f"The rows of {table.about.source}"}, data={"name": data})
    write_figures(folder)
    for outcome in outcomes:
        if outcome.status not in DONE:
            print(f"{outcome.title}: {outcome.status}: {outcome.note}")
    print(f"table: {folder / 'table.md'}\nreport: {write_report(folder)}")


def _caption(results: pd.DataFrame, data: str) -> str:
    """Return the protocol as a caption."""
    if results.empty:
        return f"{data}, nothing measured"
    shown = {
        name: protocol_text(results[name].iloc[0]) for name in ("data", "split", "release", "profile", "density_sigma")
    }
    images = int(results["images"].max())
    release = f", release {shown['release']}" if shown["release"] else ""
    sigma = shown["density_sigma"] + (" px" if shown["density_sigma"].replace(".", "").isdigit() else "")
    return (
        f"{shown['data']} {shown['split']}{release}, {images} images, profile {shown['profile']}, density sigma {sigma}"
    )


def _identity(options: TableOptions, row: Row, dataset: SaliencyDataset) -> dict[str, Any]:
    """Collect everything except the code that determines the scores of a row; a change triggers rescoring."""
    evaluation = options.evaluation
    limit = options.null_images if row.null else evaluation.explain_images
    identity = {
        "row": [row.model, row.network, row.null],
        "data": [dataset.name, dataset.split, dataset.release, dataset.density_sigma, len(dataset), dataset.ids[-1]],
        "profile": evaluation.profile,
        "extra_metrics": list(evaluation.extra_metrics),
        "postprocessing": asdict(evaluation.postprocessing),
        "explanation": [options.preset, limit] if row.group in ("explainable", "null_model") else None,
        "seed": evaluation.seed,
    }
    if row.network is not None:
        try:
            weights = find_weights(options, row.network)
        except MissingFilesError:
            return identity | {"weights": None}
        path = Path(weights)
        stat = path.stat() if path.exists() else None
        identity["weights"] = [weights, stat.st_size, stat.st_mtime_ns] if stat else [weights]
    return identity


def _scores_file(folder: Path, model: str) -> Path:
    return folder / "rows" / f"{model}.parquet"


@first_only
def _keep(folder: Path, row: Row, note: str, identity: dict[str, Any], per_image: pd.DataFrame) -> None:
    scores = _scores_file(folder, row.model)
    with replaced_file(scores) as temporary:
        per_image.to_parquet(temporary, index=False)
    write_json(scores.with_suffix(".json"), {"identity": identity, "note": note})  # marks the row as done


def _kept(folder: Path, row: Row, identity: dict[str, Any]) -> Outcome | None:
    """Return the outcome of a row that was scored before with the same settings, or None."""
    record = _scores_file(folder, row.model).with_suffix(".json")
    content = read_json(record)
    if content is None or not _scores_file(folder, row.model).is_file():
        return None
    if changes := find_changes(content.get("identity"), identity):
        log.info("row %s: %s changed; scoring it again", row.model, ", ".join(changes))
        return None
    log.info("row %s: keeping earlier scores", row.model)
    return Outcome(row.model, row.group, row.title, "scored", content["note"])


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
