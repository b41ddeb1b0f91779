"""Records of a sweep's jobs: their status and measures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from explainsal.fetch.writing import read_json
from explainsal.metrics.bootstrap import mean_interval, paired_difference
from explainsal.reporting.run_folder import EXPLAINABLE, preset_order

JOB = "job.json"
DONE, FAILED, RUNNING = "done", "failed", "running"


def read_job(folder: Path) -> dict[str, Any] | None:
    """Read the record of a job; None if no job was started or its record is damaged."""
    job = read_json(folder / JOB)
    return job if job is not None and {"status", "commit", "parameters"} <= job.keys() else None


def measures(folder: Path) -> dict[str, float] | None:
    """Return the measures of a finished job by name; None if it is not finished.

    Fidelity (``cc_to_deep`` with its bootstrap interval ``_low`` to ``_high``) and ``layer_correlation`` are means over
    images. With null models there are also ``<null>_cc_to_deep``, and ``<null>_gap``, the paired difference. A training
    adds its last logged values (``val/cc``, ...), an evaluation the mean of every metric (``cc``, ...) and those
    of its explainable map by the same preset (``explainable_cc``, ...). Cost: ``seconds``, and ``cpu_seconds`` of the
    job's process, including null models, evaluation and report.
    """
    job = read_job(folder)
    if job is None or job["status"] != DONE:
        return None
    cost = {name: float(job[name]) for name in ("seconds", "cpu_seconds")}
    return {**job["returned"], **_scores(folder), **_fidelity(folder), **cost}


def _scores(folder: Path) -> dict[str, float]:
    """Return the means of the evaluated model, which is the first in the results table, and of its explainable map."""
    if not (folder / "results.csv").is_file():
        return {}
    results = pd.read_csv(folder / "results.csv")
    models = list(results["model"].unique())
    presets = [model.removeprefix(EXPLAINABLE) for model in models if model.startswith(EXPLAINABLE)]
    found = _means(results, models[0]) if models else {}
    if presets:
        explainable = _means(results, EXPLAINABLE + max(presets, key=preset_order))
        found |= {f"explainable_{metric}": mean for metric, mean in explainable.items()}
    return found


def _means(results: pd.DataFrame, model: str) -> dict[str, float]:
    own = results[(results["model"] == model) & ~results["metric"].str.endswith("_to_deep")]
    return {str(row["metric"]): float(row["mean"]) for row in own.to_dict("records")}


def _fidelity(folder: Path) -> dict[str, float]:
    """Return the fidelity of the last preset of a run, as reports do; empty if nothing was explained."""
    tables = sorted(folder.glob("explanation/*/fidelity.csv"), key=lambda path: preset_order(path.parent.name))
    return _with_nulls(pd.read_csv(tables[-1], dtype={"image": str})) if tables else {}


def _with_nulls(table: pd.DataFrame) -> dict[str, float]:
    wide = table.pivot(index="image", columns="variant", values=["cc_to_deep", "layer_correlation"])
    own = mean_interval(wide["cc_to_deep", "explanation"])
    values = {"cc_to_deep": own.mean, "cc_to_deep_low": own.low, "cc_to_deep_high": own.high}
    for null in [variant for variant in table["variant"].unique() if variant != "explanation"]:
        gap = paired_difference(wide["cc_to_deep", "explanation"], wide["cc_to_deep", null])
        values |= {f"{null}_cc_to_deep": float(wide["cc_to_deep", null].mean()), f"{null}_gap": gap.mean}
    return values | {"layer_correlation": float(wide["layer_correlation", "explanation"].mean())}
