"""What the commands share: where the configuration lies, and how a command ends."""

from __future__ import annotations

import errno
import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from explainsal.errors import UserError

EXIT_USER_ERROR, EXIT_INTERRUPTED = 2, 130
_NOTES = (
    ".*does not have many workers.*",  # small data, or a small machine
    ".*LeafSpec.*deprecated.*",  # inside Lightning
    "Experiment logs directory .* exists and is not empty.*",  # Hydra made it a moment ago
    "The number of training batches .* is smaller than the logging interval.*",
)


def conf_dir() -> str:
    """The Hydra tree: beside ``src`` in a checkout or an editable install, inside the package in a wheel."""
    package = Path(__file__).resolve().parent
    candidates = (package / "conf", package.parents[1] / "conf")
    for folder in candidates:
        if (folder / "train.yaml").is_file():
            return str(folder)
    raise UserError(f"the configuration files are missing; looked in {' and '.join(map(str, candidates))}. Reinstall.")


def command(config_name: str) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn ``task(cfg)`` into a command-line entry point.

    An error that the user can solve becomes one message and exit code 2; Ctrl-C exits with 130. In a multirun the
    error also goes back to Hydra, which marks the job as failed and goes on with the next one.
    """

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        @functools.wraps(task)
        def guarded(cfg: DictConfig) -> Any:
            _quiet()
            try:
                return task(cfg)
            except KeyboardInterrupt:
                _say(f"Interrupted. What was finished is in {HydraConfig.get().runtime.output_dir}")
                _exit(EXIT_INTERRUPTED)
            except (UserError, OSError) as error:
                message = _user_message(error)
                if message is None:
                    raise
                _say(message)
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    raise
                _exit(EXIT_USER_ERROR)

        entry = hydra.main(version_base="1.3", config_path=conf_dir(), config_name=config_name)(guarded)

        @functools.wraps(task)
        def main() -> None:
            # hydra prints a short error of its own for a wrong override; the traceback on request only
            entry()

        return main

    return decorate


def _user_message(error: Exception) -> str | None:
    """What to tell the user, or None where a traceback tells more."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({error.filename or 'while writing'}). Make room, then run the same command again."
    if isinstance(error, PermissionError):
        return f"No permission to write {error.filename}. Choose another place: paths.outputs=... or paths.data=..."
    return None


def _say(message: str) -> None:
    print(f"\nexplainsal: {message}", file=sys.stderr, flush=True)


def _exit(code: int) -> None:
    """Leave with this code, also under torchrun-like launchers where only rank 0 should be heard."""
    sys.stdout.flush()
    raise SystemExit(code)


def _quiet() -> None:
    """Silence notes that a user cannot act on; what concerns data or numbers stays."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "fontTools"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOTES:
        warnings.filterwarnings("ignore", message=message)
