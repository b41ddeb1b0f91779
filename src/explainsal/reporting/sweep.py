"""A sweep that resumes: a stable folder per job, what became of it, and one table of all of them."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from explainsal.errors import MissingFilesError
from explainsal.metrics.bootstrap import mean_interval, paired_difference

JOB = "job.json"
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


@contextmanager
def recorded_job(folder: Path, overrides: Sequence[str], commit: str | None) -> Iterator[bool]:
    """Keep ``job.json`` while a job runs; gives whether it has to run.

    A job that is done is not run again, and said so where another commit made it. What a failed or killed job left is
    removed first, but for Hydra's own files.
    """
    old = read_job(folder)
    if old is not None and old["status"] == DONE:
        if old["commit"] != commit:
            print(f"{folder}: kept from commit {old['commit']}, this is {commit}; remove the folder to run it again")
        yield False
        return
    _clear(folder)
    job = {"overrides": list(overrides), "commit": commit, "status": RUNNING, "seconds": None, "error": None}
    _write(folder, job)
    start = time.perf_counter()
    try:
        yield True
    except BaseException as error:
        _write(folder, job | {"status": FAILED, "error": f"{type(error).__name__}: {error}"})
        raise
    _write(folder, job | {"status": DONE, "seconds": round(time.perf_counter() - start, 2)})


def read_job(folder: Path) -> dict[str, Any] | None:
    """What a job's folder says of it; None where no job began or its record is cut short."""
    try:
        job = json.loads((folder / JOB).read_text())
    except (OSError, json.JSONDecodeError):
        return None
    return job if isinstance(job, dict) and "status" in job else None


def sweep_table(folder: Path) -> pd.DataFrame:
    """A row per job: key, the parameters that differ between jobs, measures, seconds, status, error, commit.

    Fidelity (``cc_to_deep`` with its bootstrap interval ``_low`` to ``_high``) and ``layer_correlation`` are means over
    images. Where null models were asked for: ``<null>_cc_to_deep``, and ``<null>_gap``, the paired difference.

    Raises:
        MissingFilesError: If there is no job.
    """
    found = [(path.parent, read_job(path.parent)) for path in sorted(Path(folder).glob(f"*/{JOB}"))]
    jobs = [(path, job) for path, job in found if job is not None]
    if not jobs:
        raise MissingFilesError(f"{folder} holds no jobs of a sweep: give what `-m +sweep=...` made")
    parameters = [dict(override.lstrip("+").split("=", 1) for override in job["overrides"]) for _, job in jobs]
    swept = [n for n in dict.fromkeys(k for p in parameters for k in p) if len({p.get(n) for p in parameters}) > 1]
    rows = [
        {
            "job": path.name,
            **{name: values.get(name) for name in swept},
            **(_measures(path) if job["status"] == DONE else {}),
            **{name: job[name] for name in ("seconds", "status", "error", "commit")},
        }
        for (path, job), values in zip(jobs, parameters, strict=True)
    ]
    return pd.DataFrame(rows)


def write_sweep(folder: Path) -> Path:
    """Write ``sweep.csv`` beside the jobs, and say which failed or were cut off, and why."""
    table = sweep_table(folder)
    for row in table[table["status"] != DONE].to_dict("records"):
        reason = row["error"] if row["status"] == FAILED else "it did not end: killed, or still running"
        print("job", row["job"], f"{row['status']}: {reason}")
    if table["commit"].nunique(dropna=False) > 1:
        print("these jobs come from more than one commit: see the column commit")
    path = Path(folder) / "sweep.csv"
    table.to_csv(path, index=False)
    print(f"{(table['status'] == DONE).sum()} of {len(table)} jobs done: {path}")
    return path


_INTERVAL = {"": "mean", "_low": "low", "_high": "high"}


def _measures(folder: Path) -> dict[str, float]:
    """Those of ``fidelity.csv`` where null models were explained, else of the results table and the layers."""
    values: dict[str, float] = {}
    for path in sorted(folder.glob("explanation/*/fidelity.csv")):
        return _beside_nulls(pd.read_csv(path, dtype={"image": str}))
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
        if path.name == ".hydra" or path.suffix == ".log":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _write(folder: Path, job: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    new = folder / f"{JOB}.new"
    new.write_text(json.dumps(job, indent=2) + "\n")
    new.replace(folder / JOB)
