"""Run the jobs of a sweep, each in a folder named after the options that decide its numbers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from explainsal.fetch.fingerprints import fingerprint, fingerprint_content
from explainsal.fetch.writing import write_json
from explainsal.reporting.job_records import DONE, FAILED, JOB, RUNNING, measures, read_job

LOCK = "job.lock"
# Options that decide where a run is stored and what is logged, but not its numbers.
_IRRELEVANT = ("hydra", "paths", "logger")
_FILES = ("checkpoint", "weights", "resume", "ckpt_path", "predictions", "image")


def job_key(config: Mapping[str, Any], look_up: Callable[[str], Any] | None = None) -> str:
    """Return twelve hexadecimal digits that depend on everything that decides a job's numbers.

    Equal jobs have equal keys, wherever they run.

    Args:
        config: The job's configuration with unresolved interpolations, so that references to a path stay references.
            Checkpoint and weight files count by content, not by name. Folders of pictures, fixations or predictions
            count by name and by the names, sizes and times of their files.
        look_up: Returns the resolved value at a place such as ``data.root``.
    """
    relevant = {key: value for key, value in config.items() if key not in _IRRELEVANT}
    relevant = _with_content(relevant, "", look_up)
    return fingerprint(relevant)[:12]


def _with_content(node: Mapping[str, Any], place: str, look_up: Callable[[str], Any] | None) -> dict[str, Any]:
    """Replace the files and folders that a configuration names by digests of their content."""
    result = dict(node)
    published = not str(node.get("_target_", "")).endswith("FolderDataModule")
    if "root" in node:
        result.pop("num_workers", None)
        if published:
            result.pop("root")  # a published data set is the same in every folder
    for name, value in result.items():
        if isinstance(value, Mapping):
            result[name] = _with_content({str(k): v for k, v in value.items()}, f"{place}{name}.", look_up)
        elif name in _FILES and value is not None:
            result[name] = fingerprint_content(Path(str(look_up(place + name) if look_up else value))) or value
        elif name == "root":
            result[name] = [value, fingerprint_content(Path(str(look_up(place + name) if look_up else value)))]
    return result


def run_job(
    folder: Path, parameters: Mapping[str, str], commit: str | None, task: Callable[[], Any]
) -> dict[str, float] | None:
    """Run a job of a sweep unless it is done, record it in ``job.json``, and return its measured values.

    Finished jobs are skipped; a different commit is reported. The result is None if another process runs the job.
    Remains of a failed or killed job are removed first, except Hydra's own files.
    """
    if _is_done(folder, commit):
        with suppress(OSError):
            (folder / JOB).touch()  # of jobs with the same options on other data, `sweep_table` keeps the latest
    else:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / LOCK, timeout=0):  # released whenever the process ends
                if not _is_done(folder, commit):
                    _record(folder, parameters, commit, task)
        except Timeout:
            print(f"{folder}: another process runs this job")
            return None
    return measures(folder)


def _is_done(folder: Path, commit: str | None) -> bool:
    old = read_job(folder)
    if old is None or old["status"] != DONE:
        return False
    if old["commit"] != commit:
        print(f"{folder}: kept the job of commit {old['commit']}, now at {commit}; remove the folder to run it again")
    return True


def _record(folder: Path, parameters: Mapping[str, str], commit: str | None, task: Callable[[], Any]) -> None:
    _clear(folder)
    job = {"parameters": dict(parameters), "commit": commit, "status": RUNNING, "error": None}
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


def _clear(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name in (".hydra", LOCK) or path.suffix == ".log":
            continue
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
