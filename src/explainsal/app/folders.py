"""Create and lock the folder of a run, which only one run uses, and remove results of a former run."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

from explainsal import signals
from explainsal.errors import UserError
from explainsal.fetch.locks import locked
from explainsal.fetch.writing import remove_unfinished
from explainsal.processes import is_first

LOCK = ".run.lock"
CHECKPOINTS = "checkpoints"
_JOB = "EXPLAINSAL_JOB"  # environment variable with the first process's job, read by processes that Lightning starts
_DISTRIBUTED = ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT", _JOB, signals.FIRST_PROCESS)
_RESULTS = (
    "gallery", "explanation", "figures", "maps", "results.csv", "per_image.parquet", "profiles.csv",
    "attribution.csv", "report.html",
)  # fmt: skip
_made: dict[str, str] = {}


def make_free_folder(wanted: str) -> str:
    """Create a folder that no other run has: `wanted`, or the first free one of ``wanted-2``, ``wanted-3``, ...

    The same call in this process returns the same folder. If none can be created, `wanted` is returned and Hydra
    reports the error.
    """
    if not is_first():
        return wanted
    if wanted not in _made:
        for number in itertools.count(1):
            folder = Path(wanted if number == 1 else f"{wanted}-{number}")
            try:
                folder.parent.mkdir(parents=True, exist_ok=True)
                folder.mkdir()
            except FileExistsError:
                if folder.parent.is_dir():
                    continue
                return wanted
            except OSError:
                return wanted
            _made[wanted] = str(folder)
            break
    return _made[wanted]


@contextmanager
def own_folder(folder: Path, command: str, resume: str | None) -> Iterator[None]:
    """Lock a run's folder while the body runs, and remove the results of a former run first.

    Raises:
        UserError: If another process uses the folder, or a training would overwrite the checkpoints of a former one.
    """
    message = f"another process uses {folder}: wait for it, or choose another folder (hydra.run.dir=FOLDER)"
    with locked(folder / LOCK, message):
        remove_unfinished(folder)
        if command == "train" and resume is None and any((folder / CHECKPOINTS).glob("*.ckpt")):
            raise UserError(
                f"{folder} holds the checkpoints of a former training, which a new one would overwrite. Continue it "
                f"(resume={folder / CHECKPOINTS / 'last.ckpt'}), remove the folder, or choose another one "
                "(hydra.run.dir=FOLDER)"
            )
        if command in ("train", "evaluate", "explain"):
            for name in (*_RESULTS, *(("metrics.csv",) if command == "train" and resume is None else ())):
                _remove(folder / name)
        yield


@contextmanager
def shared_job(folder: Path) -> Iterator[None]:
    """Share this job and its folder with the processes that Lightning starts; restore the environment afterwards.

    Lightning repeats the command line, which in a multirun describes all jobs. It also leaves variables in the
    environment that would keep the next job from starting processes of its own.
    """
    before = {name: os.environ.get(name) for name in _DISTRIBUTED}
    if not signals.follows():
        job = {"overrides": list(HydraConfig.get().overrides.task), "folder": str(folder.absolute())}
        os.environ |= {_JOB: json.dumps(job), signals.FIRST_PROCESS: str(os.getpid())}
    try:
        yield
    finally:
        distributed = getattr(sys.modules.get("torch"), "distributed", None)
        if distributed is not None and distributed.is_available() and distributed.is_initialized():
            distributed.destroy_process_group()
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def follow_arguments(arguments: Sequence[str]) -> list[str]:
    """Return the arguments for a process that Lightning started: the first process's job and folder."""
    job = json.loads(os.environ[_JOB])
    folder = job["folder"].replace("\\", "\\\\").replace("'", "\\'")
    flags = [a for a in arguments if "=" not in a and a[:1] not in ("+", "~") and a not in ("-m", "--multirun")]
    search = [a for a in arguments if a.startswith("hydra.searchpath=")]
    name = f"process_{os.environ['LOCAL_RANK']}"
    own = (f"hydra.run.dir='{folder}'", "hydra.output_subdir=null", f"hydra.job.name={name}")
    return [*flags, *job["overrides"], *search, *own]


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


OmegaConf.register_new_resolver("free_folder", make_free_folder, replace=True, use_cache=True)
