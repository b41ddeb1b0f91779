"""The manifest of a run: a typed record of its command, inputs and files, as ``environment.json``."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]

from explainsal.fetch.writing import read_json, write_file, write_json
from explainsal.processes import first_only

MANIFEST, CONFIG = "environment.json", "config.yaml"
PACKAGES = (
    "explainsal",
    "torch",
    "lightning",
    "torchmetrics",
    "hydra-core",
    "numpy",
    "scipy",
    "albumentations",
)

_KINDS: dict[str, type] = {"str": str, "int": int, "bool": bool, "Mapping": dict, "Sequence": list}


@dataclass(frozen=True)
class Manifest:
    """Description of a run, for reports, sweeps and loggers.

    Args:
        task: Name of the command (``train``, ``evaluate``, ...); empty for a call from Python.
        command: Shell line that repeats the run; empty for a call from Python.
        started: Time in ISO format.
        finished: Time of the last write, in ISO format.
        git_commit: Commit of the code; None for an installed wheel.
        git_dirty: Whether the working tree had changes.
        platform: Operating system and machine.
        packages: Versions of the packages that affect numbers.
        model: Name, size and weights of the model, see `workflows.loading.describe`.
        data: Name, split and release of the data set, and the number of images.
        presets: Name of each explanation -> the options that differ from its preset.
        nulls: Null models computed with the explanations.
        files: Files of the run, relative to its folder.
    """

    task: str = ""
    command: str = ""
    started: str = ""
    finished: str = ""
    seed: int | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    device: str = ""
    python: str = ""
    platform: str = ""
    packages: Mapping[str, str] = field(default_factory=dict)
    model: Mapping[str, Any] | None = None
    data: Mapping[str, Any] | None = None
    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    nulls: Sequence[str] = ()
    files: Sequence[str] = ()


def parse_manifest(content: Mapping[str, Any]) -> Manifest:
    """Build a manifest from its JSON; fields that are missing or have a wrong type get their defaults.

    Example:
        >>> parse_manifest({"command": "python -m explainsal.explain image=a.jpg", "seed": 3}).task
        'explain'
    """
    kinds = {f.name: _KINDS[re.split(r"\W", str(f.type))[0]] for f in fields(Manifest)}
    valid: dict[str, Any] = {k: value for k, value in content.items() if k in kinds and isinstance(value, kinds[k])}
    found = Manifest(**valid)
    if not found.task and found.command.startswith("python -m explainsal."):  # written before the field `task` existed
        found = replace(found, task=found.command.split()[2].removeprefix("explainsal."))
    return found


def read_manifest(folder: Path) -> Manifest | None:
    """Read the manifest of a run; None if it is absent or damaged."""
    content = read_json(folder / MANIFEST)
    return None if content is None else parse_manifest(content)


@first_only
def write_manifest(
    folder: Path,
    config: Mapping[str, Any],
    *,
    command: Sequence[str] = (),
    device: torch.device | None = None,
    started: str | None = None,
    **known: Any,
) -> None:
    """Write ``config.yaml`` and the manifest into the folder of a run; call it again at the end of the run.

    Args:
        started: Start of the run in ISO format; None: as the folder's manifest says, or now.
        known: Other fields of the `Manifest`; omitted fields keep their value.
    """
    write_file(folder / CONFIG, yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    old = read_manifest(folder) or Manifest()  # a damaged manifest is replaced
    time = now()
    commit, dirty = git_state()
    manifest = replace(
        old,
        task=command[0] if command else "",
        command=f"python -m explainsal.{command[0]} {shlex.join(command[1:])}".strip() if command else "",
        started=started or old.started or time,
        finished=time,
        seed=config.get("seed"),
        git_commit=commit,
        git_dirty=dirty,
        device=name_device(device or torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        python=platform.python_version(),
        platform=platform.platform(),
        packages={name: importlib.metadata.version(name) for name in PACKAGES},
        files=list_files(folder),
        **{name: value for name, value in known.items() if value is not None},
    )
    write_json(folder / MANIFEST, asdict(manifest))


def now() -> str:
    """Return the time in ISO format, with the time zone."""
    return datetime.datetime.now().astimezone().isoformat(timespec="seconds")


def name_device(device: torch.device) -> str:
    """Return the name of a GPU, or the number of threads on a CPU."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"CPU ({threads} thread{'s' * (threads > 1)})" if device.type == "cpu" else device.type.upper()


def list_files(folder: Path) -> list[str]:
    """List the files of a run, relative to its folder, without hidden files, logs of W&B and the manifest."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    shown = (path for path in paths if path.parts[0] != "wandb" and not any(p.startswith(".") for p in path.parts))
    return [path.as_posix() for path in shown if path.as_posix() != MANIFEST]


def git_state() -> tuple[str | None, bool | None]:
    """Return the commit of this package's checkout and whether it has changes; (None, None) for an installed wheel."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip(), bool(git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None
