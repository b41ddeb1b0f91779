"""The record a run keeps of itself: resolved config, versions, commit, device, command."""

from __future__ import annotations

import datetime
import importlib.metadata
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from lightning.pytorch.utilities import rank_zero_only

from explainsal.fetch.writing import read_json, write_file, write_json

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


@rank_zero_only
def write_record(
    folder: Path, config: Mapping[str, Any], *, model: dict[str, Any] | None = None, anew: bool = False
) -> None:
    """Write ``config.yaml`` and ``environment.json`` into the run's folder (again at the end, for `finished`).

    Args:
        folder: Of the run.
        config: Its options.
        model: What is known of the model; None keeps what stands there.
        anew: Whether the run starts now, in a folder that may hold the record of an earlier one.
    """
    write_file(folder / "config.yaml", yaml.safe_dump(dict(config), sort_keys=False, allow_unicode=True))
    path = folder / "environment.json"
    old = read_json(path) or {}  # a damaged record is replaced
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    commit, dirty = git_state()
    record = {
        "command": f"python -m explainsal.{Path(sys.argv[0]).stem} {shlex.join(sys.argv[1:])}".strip(),
        "started": now if anew else old.get("started", now),
        "finished": now,
        "seed": config.get("seed"),
        "git_commit": commit,
        "git_dirty": dirty,
        "device": torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"CPU ({torch.get_num_threads()} thread{'s' * (torch.get_num_threads() > 1)})",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "model": model or old.get("model"),
    }
    write_json(path, record)


def git_state() -> tuple[str | None, bool | None]:
    """Commit of the checkout this package runs from; (None, None) for an installed wheel."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "HEAD").strip(), bool(git("status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.CalledProcessError):
        return None, None
