"""A job of a sweep: a stable folder by what decides its numbers, what became of it, and what it measured."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from explainsal.fetch.writing import read_json, write_json
from explainsal.metrics.bootstrap import mean_interval, paired_difference

JOB, LOCK = "job.json", "job.lock"
DONE, FAILED, RUNNING = "done", "failed", "running"
# These decide where a run lies and what is said of it, not what comes out.
_IRRELEVANT = ("hydra", "paths", "logger")
_FILES = ("checkpoint", "weights", "resume")


def job_key(config: Mapping[str, Any]) -> str:
    """Twelve hexadecimal digits over what decides a job's numbers: equal jobs, wherever they run, have equal keys.

    Args:
        config: The job's configuration with its interpolations unresolved: what refers to a path stays a reference.
            Of a checkpoint or weight file the content counts, not the name.
    """
    relevant = {key: value for key, value in config.items() if key not in _IRRELEVANT}
    data = dict(relevant.get("data") or {})
    data.pop("num_workers", None)
    if not str(data.get("_target_", "")).endswith("FolderDataModule"):
        data.pop("root", None)  # a published data set is the same wherever it lies
    relevant["data"] = data
    for name in _FILES:
        path = Path(str(relevant.get(name)))
        if path.is_file():
            relevant[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return hashlib.sha256(json.dumps(relevant, sort_keys=True, default=str).encode()).hexdigest()[:12]


def run_job(
    folder: Path, overrides: Sequence[str], commit: str | None, task: Callable[[], Any]
) -> dict[str, float] | None:
    """Run a job of a sweep unless it is done, keep ``job.json`` meanwhile, and return its measures.

    A job that is done is not run again, and said so where another commit made it. One that another process works at is
    left to it (None). What a failed or killed job left is removed first, but for Hydra's own files.
    """
    if not _is_done(folder, commit):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=0):  # goes when the process does, however it ends
                if not _is_done(folder, commit):
                    _record(folder, overrides, commit, task)
        except Timeout:
            print(f"{folder}: another process works at this job")
            return None
    return measures(folder)


def _is_done(folder: Path, commit: str | None) -> bool:
    old = read_job(folder)
    if old is None or old["status"] != DONE:
        return False
    if old["commit"] != commit:
        print(f"{folder}: kept from commit {old['commit']}, this is {commit}; remove the folder to run it again")
    return True


def _record(folder: Path, overrides: Sequence[str], commit: str | None, task: Callable[[], Any]) -> None:
    _clear(folder)
    job = {"overrides": list(overrides), "commit": commit, "status": RUNNING, "error": None}
    job |= dict.fromkeys(("seconds", "cpu_seconds", "returned"))
    write_json(folder / JOB, job)
    start, cpu_start = time.perf_counter(), time.process_time()
    try:
        result = task()
    except BaseException as error:
        write_json(folder / JOB, job | {"status": FAILED, "error": f"{type(error).__name__}: {error}"})
        raise
    spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - cpu_start}
    returned = {str(k): float(v) for k, v in result.items()} if isinstance(result, Mapping) else {}
    write_json(folder / JOB, job | {"status": DONE, "returned": returned} | {k: round(v, 2) for k, v in spent.items()})


def read_job(folder: Path) -> dict[str, Any] | None:
    """What a job's folder says of it; None where no job began or its record is cut short."""
    job = read_json(folder / JOB)
    return job if job is not None and {"status", "commit"} <= job.keys() else None


_INTERVAL = {"": "mean", "_low": "low", "_high": "high"}


def measures(folder: Path) -> dict[str, float] | None:
    """What a job measured, by name; None where it is not done.

    Fidelity (``cc_to_deep`` with its bootstrap interval ``_low`` to ``_high``) and ``layer_correlation`` are means over
    images. Where null models were asked for: ``<null>_cc_to_deep``, and ``<null>_gap``, the paired difference. Of a
    training also what it logged last (``val/cc``, ...). Cost: ``seconds``, and ``cpu_seconds`` of the job's process,
    null models, evaluation and report included.
    """
    job = read_job(folder)
    if job is None or job["status"] != DONE:
        return None
    return {**job["returned"], **_fidelity(folder), **{name: float(job[name]) for name in ("seconds", "cpu_seconds")}}


def _fidelity(folder: Path) -> dict[str, float]:
    """That of ``fidelity.csv`` where null models were explained, else of the results table and the layers."""
    for path in sorted(folder.glob("explanation/*/fidelity.csv")):
        return _beside_nulls(pd.read_csv(path, dtype={"image": str}))
    values: dict[str, float] = {}
    if (folder / "results.csv").is_file():
        results = pd.read_csv(folder / "results.csv")
        for row in results[results["metric"] == "cc_to_deep"].head(1).to_dict("records"):
            values |= {f"cc_to_deep{end}": float(row[name]) for end, name in _INTERVAL.items()}
    for path in sorted(folder.glob("explanation/*/layers.csv"))[:1]:
        layers = pd.read_csv(path, dtype={"image": str})
        values["layer_correlation"] = float(layers.groupby("image")["correlation"].mean().mean())
    return values


def _beside_nulls(table: pd.DataFrame) -> dict[str, float]:
    wide = table.pivot(index="image", columns="variant", values=["cc_to_deep", "layer_correlation"])
    own = mean_interval(wide["cc_to_deep", "explanation"])
    values = {"cc_to_deep": own.mean, "cc_to_deep_low": own.low, "cc_to_deep_high": own.high}
    for null in [variant for variant in table["variant"].unique() if variant != "explanation"]:
        gap = paired_difference(wide["cc_to_deep", "explanation"], wide["cc_to_deep", null])
        values |= {f"{null}_cc_to_deep": float(wide["cc_to_deep", null].mean()), f"{null}_gap": gap.mean}
    return values | {"layer_correlation": float(wide["layer_correlation", "explanation"].mean())}


def _clear(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in (".hydra", LOCK) or path.suffix == ".log":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
