"""Print the messages of a command that ends early, and describe errors that the user can solve."""

from __future__ import annotations

import errno
import logging
import os
import re
import sys
import warnings
from pathlib import Path
from typing import NoReturn

from hydra.errors import HydraException, InstantiationException
from omegaconf.errors import OmegaConfBaseException

from explainsal import signals
from explainsal.app.folders import CHECKPOINTS
from explainsal.app.help import explain_wrong_option
from explainsal.errors import UserError
from explainsal.fetch.disk import DiskError

EXIT_USER_ERROR = 2
FOLDER_OPTIONS = "Options for another folder: data.root, paths.data, paths.outputs, to, submission.to."
_NOTES = (
    ".*does not have many workers.*",  # small data, or a small machine
    ".*LeafSpec.*deprecated.*",  # inside Lightning
    "Experiment logs directory .* exists and is not empty.*",  # Hydra has just created it
    "Checkpoint directory .* exists and is not empty.*",  # `own_folder` refuses to overwrite checkpoints
    "The number of training batches .* is smaller than the logging interval.*",
    "You're resuming from a checkpoint that ended before the epoch ended.*",  # `TrainingBatches` continues the order
)


def describe_error(error: BaseException, conf: Path) -> str | None:
    """Return the message for an error that the user can solve, or None if the traceback is needed.

    Args:
        conf: The configuration folder, where the nearest option to a wrong one is looked up.
    """
    if isinstance(error, InstantiationException):  # Hydra wraps what a constructor raised
        if isinstance(error.__cause__, AssertionError) and not str(error.__cause__):  # a type check of Lightning
            return f"{str(error).splitlines()[-1].replace('full_key: ', '')}: a value has the wrong type; see `--help`"
        if isinstance(error.__cause__, ValueError | TypeError):
            return f"{str(error).splitlines()[-1].replace('full_key: ', '')}: {error.__cause__}"
        return describe_error(error.__cause__, conf) if error.__cause__ else str(error)
    if isinstance(error, DiskError):
        return f"{error} {FOLDER_OPTIONS}"
    if isinstance(error, UserError) or type(error).__name__ == "MisconfigurationException":  # Lightning's user errors
        return str(error)
    if isinstance(error, UnicodeEncodeError) and error.reason.startswith("surrogates not allowed"):
        around = error.object[max(0, error.start - 30) : error.end + 10]
        return f"A file name is not valid UTF-8 and cannot be written ({around!r}): rename the file."
    if missing := re.search(r"hydra/launcher/(joblib|submitit|ray)", str(error)):
        return f'hydra/launcher={missing[1]} is not installed: pip install "explainsal[{missing[1]}]"'
    null_group = str(error).startswith("Config group override must be")  # a ValueError of Hydra
    if null_group or isinstance(error, HydraException | OmegaConfBaseException):
        return explain_wrong_option(error, Path(sys.argv[0]).stem, sys.argv[1:], conf)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({error.filename or 'while writing'}). Free space, then run the same command again."
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to write {error.filename}. Choose another place: paths.outputs=... or paths.data=..."
    return None


def name_output(folder: Path) -> str:
    """Return a message that names the run's folder and, for a training, how to resume it."""
    checkpoint = folder / CHECKPOINTS / "interrupted.ckpt"
    return f"Finished output is in {folder}" + (f"; continue with resume={checkpoint}" if checkpoint.is_file() else "")


def say(message: str) -> None:
    """Print a message to the user."""
    print(f"\nexplainsal: {message}", file=sys.stderr, flush=True)


def end(message: str, code: int) -> NoReturn:
    """Print a message and exit with a code."""
    sys.stdout.flush()
    say(message)
    raise SystemExit(code)


def end_interrupted(error: KeyboardInterrupt, kept: str) -> NoReturn:
    """Exit after Ctrl-C or SIGTERM; `kept` is a message about the output and how to resume."""
    word, code = signals.describe_interrupt(error)
    end(f"{word}. {kept}", code)


def silence_notes() -> None:
    """Silence notes that a user cannot act on; warnings about data or numbers are kept."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "fontTools"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOTES:
        warnings.filterwarnings("ignore", message=message)
