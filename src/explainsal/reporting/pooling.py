"""Pooling of the folds of a cross-validation, each of which tested different images."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from explainsal.errors import MissingFilesError, UserError
from explainsal.reporting.results.files import summarize, write_results
from explainsal.reporting.run_folder import Run, read_run

COLUMNS = ("model", "postprocessing", "metric", "mean", "low", "high", "images", "skipped")  # the rest is the protocol
FOLD = re.compile(r"(?P<part>.*) fold (?P<fold>\d+)(?: of (?P<folds>\d+))?")


def pool_runs(folder: Path, *, seed: int = 0) -> pd.DataFrame:
    """Pool the test images of the runs in a folder, and write their table into it.

    ``results.csv`` holds the mean over all images with its bootstrap interval; every image counts once, whatever the
    sizes of the folds. The column ``run`` of ``per_image.parquet`` names the run that tested an image.

    Args:
        folder: Folder of a multirun, with one folder per run.

    Returns:
        The results table; its column ``split`` names the pooled folds.

    Raises:
        MissingFilesError: If there are no evaluated runs.
        UserError: If an image was tested twice, or the runs differ in data, metric profile or models.
    """
    runs = _runs(folder)
    protocol = _common_protocol(runs)
    tables = [run.per_image.assign(run=run.folder.name) for run in runs if run.per_image is not None]
    per_image = pd.concat(tables, ignore_index=True)
    _refuse_repetition(per_image, runs)
    per_image["index"] = per_image.groupby("model", sort=False).cumcount()
    done = {
        str(model): str(how)
        for run in runs
        if run.results is not None and "postprocessing" in run.results
        for model, how in zip(run.results["model"], run.results["postprocessing"], strict=True)
    }
    results = summarize(per_image.drop(columns="run"), protocol, done, seed=seed)
    write_results(folder, per_image, results)
    return results


def _runs(folder: Path) -> list[Run]:
    if not folder.is_dir():
        raise MissingFilesError(
            f"no folder {folder}: give the folder of a multirun, e.g. outputs/multirun/<date>/<time>"
        )
    names = sorted((p.parent for p in folder.glob("*/per_image.parquet")), key=lambda p: (len(p.name), p.name))
    runs = [read_run(name) for name in names]
    if not runs or any(run.results is None or run.results.empty for run in runs):
        raise MissingFilesError(
            f"{folder} holds {len(runs)} evaluated runs: each needs results.csv and per_image.parquet"
        )
    return runs


def _common_protocol(runs: Sequence[Run]) -> dict[str, object]:
    """Return the common protocol of all runs, whose splits must be folds of one division."""
    protocols = [_protocol(run) for run in runs]
    splits = [str(protocol.pop("split", "")) for protocol in protocols]
    for run, protocol in zip(runs[1:], protocols[1:], strict=True):
        differ = sorted(key for key in protocols[0].keys() | protocol if protocols[0].get(key) != protocol.get(key))
        if differ:
            raise UserError(
                f"{runs[0].folder} and {run.folder} differ in {', '.join(differ)}: only the folds of one "
                "cross-validation can be pooled"
            )
    return {**protocols[0], "split": _pooled_split(splits)}


def _protocol(run: Run) -> dict[str, object]:
    assert run.results is not None
    row = run.results.drop(columns=[name for name in COLUMNS if name in run.results]).iloc[0]
    return {str(key): None if pd.isna(value) else value for key, value in row.items()}


def _pooled_split(splits: Sequence[str]) -> str:
    """Return ``test of all 10 folds``, or the pooled folds and their total number."""
    folds = [FOLD.fullmatch(split) for split in splits]
    if any(fold is None for fold in folds):
        return f"{len(splits)} runs: {', '.join(dict.fromkeys(splits))}"
    known = [fold for fold in folds if fold is not None]
    numbers, total = sorted({int(fold["fold"]) for fold in known}), known[0]["folds"]
    if total is not None and len(numbers) == int(total):
        return f"{known[0]['part']} of all {total} folds"
    return f"{known[0]['part']} of folds {', '.join(map(str, numbers))}" + (f" of {total}" if total else "")


def _refuse_repetition(per_image: pd.DataFrame, runs: Sequence[Run]) -> None:
    again = per_image[per_image.duplicated(["model", "id"], keep=False)].sort_values(["model", "id"])
    if len(again):
        where = " and ".join(sorted(set(again[again["id"] == again["id"].iloc[0]]["run"])))
        raise UserError(f"the image {again['id'].iloc[0]} was tested in the runs {where}: folds test each image once")
    models = [set(run.per_image["model"]) for run in runs if run.per_image is not None]
    if any(names != models[0] for names in models):
        raise UserError(f"the runs scored different models: {', '.join(sorted(set.union(*models)))}")
