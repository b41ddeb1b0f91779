"""W&B content of a finished run: tables with pictures, numbers for comparing runs, and files.

The first part of a key is the dashboard section that shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import wandb

from explainsal.reporting.results.profiles import agreement_table, rank_table
from explainsal.reporting.run_folder import Run
from explainsal.reporting.usage import bandwidth_trend, filter_usage
from explainsal.tracking.dashboard.images import image_rows
from explainsal.tracking.dashboard.tables import band_table, fidelity_by_layer, null_models, usage_table

# dashboard section of each figure; those that are not listed belong to "explanation"
SECTIONS = {"curves": "training", "strips": "evaluation", "profiles": "evaluation"}
RESULT_FILES = ("results.csv", "per_image.parquet", "profiles.csv", "config.yaml", "environment.json", "metrics.csv")


@dataclass(frozen=True, eq=False)
class Content:
    """Media and numbers, each by key."""

    media: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Files:
    """Files of one artifact: its name and type, and name in the artifact -> file."""

    name: str
    kind: str
    files: dict[str, Path]


def run_content(run: Run) -> Content:
    """Collect everything in a run folder that W&B can show, without the parts that the run lacks."""
    frames = {
        "evaluation/results": run.results,
        "evaluation/scores": run.per_image,
        "evaluation/profile_ranks": None if run.profiles is None else rank_table(run.profiles).reset_index(),
        "evaluation/profile_agreement": None if run.profiles is None else agreement_table(run.profiles),
        "explanation/layer_table": fidelity_by_layer(run),
        "explanation/filters": usage_table(run),
        "explanation/bandwidth": band_table(run),
        "explanation/nulls": null_models(run),
    }
    media: dict[str, Any] = {key: to_table(frame) for key, frame in frames.items() if frame is not None and len(frame)}
    if run.gallery:
        media["evaluation/images"] = _image_table(run)
    return Content(media | _figures(run.folder / "figures"), _summary(run))


def run_artifacts(run: Run, run_id: str) -> list[Files]:
    """Return the files of a run that later work needs: explanations, results, the report."""
    explanation = {
        str(path.relative_to(run.folder / "explanation")): path
        for path in sorted((run.folder / "explanation").rglob("*"))
        if path.is_file()
    }
    results = {name: run.folder / name for name in RESULT_FILES if (run.folder / name).is_file()}
    report = {"report.html": run.folder / "report.html"} if (run.folder / "report.html").is_file() else {}
    found = {"explanation": explanation, "results": results, "report": report}
    return [Files(f"{kind}-{run_id}", kind, files) for kind, files in found.items() if files]


def to_table(frame: pd.DataFrame) -> wandb.Table:
    """Convert a data frame to a W&B table; missing values are empty, text stays text."""
    plain = frame.astype(object).where(frame.notna(), None)
    rows: list[Any] = plain.to_numpy().tolist()
    return wandb.Table(columns=[str(name) for name in frame.columns], data=rows)


def _image_table(run: Run) -> wandb.Table:
    rows = image_rows(run)
    columns = list(dict.fromkeys(name for row in rows for name in row.values | row.pictures))
    data: list[Any] = [
        [wandb.Image(row.pictures[name]) if name in row.pictures else row.values.get(name) for name in columns]
        for row in rows
    ]
    return wandb.Table(columns=columns, data=data)


def _figures(folder: Path) -> dict[str, Any]:
    """Return the run's figures, e.g. each preset's filter bank under ``explanation/bank/<preset>``."""
    pictures: dict[str, Any] = {}
    for path in sorted(folder.glob("*.png")):
        kind, _, preset = path.stem.partition("_")
        section = SECTIONS.get(kind, "explanation")
        pictures["/".join(filter(None, (section, kind, preset)))] = wandb.Image(str(path))
    return pictures


def _summary(run: Run) -> dict[str, float]:
    """Return the means of every model and metric, and each preset's fit and distance to the null models."""
    numbers: dict[str, float] = {}
    if run.results is not None:
        rows = zip(run.results["model"], run.results["metric"], run.results["mean"], strict=True)
        numbers |= {f"evaluation/{model}/{metric}": float(mean) for model, metric, mean in rows}
    for preset in run.explanations:
        own = _preset_numbers(run, preset)
        # keys without a preset hold the values of the last, most faithful preset, so that runs can be compared
        numbers |= {f"explanation/{preset}/{name}": value for name, value in own.items()}
        numbers |= {f"explanation/{name}": value for name, value in own.items()}
    return numbers


def _preset_numbers(run: Run, preset: str) -> dict[str, float]:
    tables = run.explanations[preset]
    numbers = {"layer_correlation": float(tables.depth["correlation"].mean())}
    if run.results is not None:
        scored = run.results[run.results["model"] == f"explainable/{preset}"].set_index("metric")["mean"]
        numbers |= {name: float(scored[name]) for name in ("cc", "cc_to_deep") if name in scored}
    if tables.coefficients is not None and len(tables.coefficients):
        numbers["bandwidth_trend"] = bandwidth_trend(filter_usage(tables.coefficients)).rank_correlation
    if tables.fidelity is not None:
        means = tables.fidelity.groupby("variant")["cc_to_deep"].mean()
        numbers["cc_to_deep"] = float(means["explanation"])
        if len(means) > 1:
            numbers["distance_to_null"] = float(means["explanation"] - means.drop("explanation").max())
    return numbers
