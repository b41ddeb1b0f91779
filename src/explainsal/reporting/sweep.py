"""Results of a sweep: the table of its jobs, their Pareto front, and its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from explainsal.errors import MissingFilesError
from explainsal.fetch.writing import read_json, remove_abandoned, write_file
from explainsal.reporting.figures.style import save_figure, styled
from explainsal.reporting.figures.sweep import FRONT, front_figure, heat_map_figure, parallel_figure
from explainsal.reporting.job_records import DONE, FAILED, JOB, measures, read_job

OBJECTIVES = "objectives.json"  # file of a search: measure -> maximize or minimize


def sweep_table(folder: Path) -> pd.DataFrame:
    """Return a row per job: key, the parameters that differ between jobs, measures, seconds, status, error, commit.

    The columns between parameters and status are :func:`measures`; ``attrs["parameters"]`` names the parameters. Of
    jobs with equal parameters, which ran on other data or weights, only the latest has a row; ``attrs["outdated"]`` is
    the number of the others.

    Raises:
        MissingFilesError: If there are no jobs.
    """
    found = [(path.parent, read_job(path.parent)) for path in sorted(Path(folder).glob(f"*/{JOB}"))]
    known = [(path, job) for path, job in found if job is not None]
    if not known:
        raise MissingFilesError(f"{folder} holds no jobs of a sweep: give the folder that `-m +sweep=...` created")
    jobs = _latest(known)
    parameters = [job["parameters"] for _, job in jobs]
    swept = [n for n in dict.fromkeys(k for p in parameters for k in p) if len({p.get(n) for p in parameters}) > 1]
    rows = [
        {
            "job": path.name,
            **{name: values.get(name) for name in swept},
            **(measures(path) or {}),
            **{name: job[name] for name in ("status", "error", "commit")},
        }
        for (path, job), values in zip(jobs, parameters, strict=True)
    ]
    table = pd.DataFrame(rows)
    last = ["status", "error", "commit"]
    table = table[[*table.columns.drop(last), *last]]  # a failed first job has no measures to order columns by
    table.attrs |= {"parameters": swept, "outdated": len(known) - len(jobs)}
    return table


def _latest(jobs: Sequence[tuple[Path, dict[str, Any]]]) -> list[tuple[Path, dict[str, Any]]]:
    """Return the last job with each set of parameters, in the order of the folders."""
    by_time = sorted(jobs, key=lambda job: (job[0] / JOB).stat().st_mtime_ns)
    latest = {json.dumps(job["parameters"], sort_keys=True): path for path, job in by_time}
    return [(path, job) for path, job in jobs if path in latest.values()]


def pareto_front(table: pd.DataFrame, objectives: Mapping[str, str]) -> pd.Series:
    """Return whether each row is Pareto-optimal; False if an objective is unknown.

    No other row is at least as good in every objective and better in one.

    Example:
        >>> table = pd.DataFrame({"cc": [0.9, 0.8, 0.7], "seconds": [9.0, 5.0, 6.0]})
        >>> pareto_front(table, {"cc": "maximize", "seconds": "minimize"}).tolist()
        [True, True, False]
    """
    signs = [1.0 if way == "maximize" else -1.0 for way in objectives.values()]
    values = table[list(objectives)].to_numpy(float) * signs
    known = np.isfinite(values).all(axis=1)
    beaten = [bool(((values >= row).all(axis=1) & (values > row).any(axis=1)).any()) for row in values]
    return pd.Series(known & ~np.array(beaten, dtype=bool), index=table.index)


def sweep_objectives(folder: Path, table: pd.DataFrame) -> dict[str, str]:
    """Return the search's objectives, or else the usual ones of a sweep: fidelity, distance to null models, cost."""
    stored = Path(folder) / OBJECTIVES
    gaps = {str(name): "maximize" for name in table.columns if str(name).endswith("_gap")}
    usual = {"cc_to_deep": "maximize", **gaps, "val/cc": "maximize", "cpu_seconds": "minimize"}
    wanted = read_json(stored) or usual
    return {name: way for name, way in wanted.items() if name in table and table[name].notna().any()}


def write_sweep(folder: Path) -> list[Path]:
    """Write ``sweep.csv`` and ``figures/`` into the folder; print which jobs failed or were interrupted, and why."""
    folder, table = Path(folder), sweep_table(folder)
    parameters, objectives = list(table.attrs["parameters"]), sweep_objectives(folder, table)
    if objectives:
        table.insert(list(table.columns).index("status"), FRONT, pareto_front(table, objectives))
    for row in table[table["status"] != DONE].to_dict("records"):
        reason = row["error"] if row["status"] == FAILED else "not finished: killed, or still running"
        print("job", row["job"], f"{row['status']}: {reason}")
    if table.attrs["outdated"]:
        print(f"{table.attrs['outdated']} jobs with the same options ran on earlier data or weights: not in the table")
    if table["commit"].nunique(dropna=False) > 1:
        print("these jobs come from more than one commit: see the column commit")
    path = folder / "sweep.csv"
    remove_abandoned(folder)
    write_file(path, table.to_csv(index=False))
    print(f"{(table['status'] == DONE).sum()} of {len(table)} jobs done: {path}")
    measured = table[table["status"] == DONE].dropna(subset=list(objectives))
    written = [path]
    if objectives and parameters and len(measured) > 1:
        for name, figure in sweep_figures(measured, parameters, objectives).items():
            written += save_figure(figure, folder / "figures", name)
        print(f"figures: {folder / 'figures'}")
    return written


def sweep_figures(table: pd.DataFrame, parameters: Sequence[str], objectives: Mapping[str, str]) -> dict[str, Figure]:
    """Draw figures by name: parallel coordinates, a heat map of each objective, and the Pareto front, if possible."""
    with styled():
        figures = {"parallel": parallel_figure(table, parameters, objectives)}
        if len(parameters) > 1:
            maps = {name: heat_map_figure(table, parameters, name) for name in objectives}
            figures |= {f"heat_map_{name.replace('/', '_')}": figure for name, figure in maps.items()}
        if len(objectives) > 1:
            figures["front"] = front_figure(table, objectives)
    return figures
