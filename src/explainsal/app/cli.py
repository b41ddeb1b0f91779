"""Turn functions into commands: find the configuration, run the job, and report errors and interrupts."""

from __future__ import annotations

import errno
import functools
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from explainsal import signals
from explainsal.app.folders import CHECKPOINTS, follow_arguments, is_first, own_folder, shared_job
from explainsal.app.help import asks_for_help, explain_wrong_option, format_help
from explainsal.app.sweeps import finish_sweeps, is_swept, run_swept
from explainsal.errors import UserError
from explainsal.threads import use_threads

EXIT_USER_ERROR = 2
RESUMED = "Run the same command again to resume."
_NOTES = (
    ".*does not have many workers.*",  # small data, or a small machine
    ".*LeafSpec.*deprecated.*",  # inside Lightning
    "Experiment logs directory .* exists and is not empty.*",  # Hydra has just created it
    "The number of training batches .* is smaller than the logging interval.*",
)


def conf_dir() -> str:
    """Return the configuration folder: next to ``src`` in a checkout, inside the package in a wheel."""
    package = Path(__file__).resolve().parents[1]
    candidates = (package / "conf", package.parents[1] / "conf")
    for folder in candidates:
        if (folder / "train.yaml").is_file():
            return str(folder)
    raise UserError(f"the configuration files are missing; looked in {' and '.join(map(str, candidates))}. Reinstall.")


def command(
    config_name: str, *, examples: Sequence[str] = (), interrupted: str = ""
) -> Callable[[Callable[[DictConfig], Any]], Callable[[], None]]:
    """Turn ``task(cfg)`` into a command-line entry point.

    An error that the user can solve becomes one message and exit code 2. Ctrl-C exits with 130, SIGTERM with 143. In a
    multirun the error is also passed to Hydra, which marks the job as failed and continues with the next one.

    Args:
        config_name: Name of the command's configuration.
        examples: Arguments of example calls, for ``--help``.
        interrupted: Message after Ctrl-C or SIGTERM; by default it names the run's folder.
    """

    def decorate(task: Callable[[DictConfig], Any]) -> Callable[[], None]:
        jobs, said = 0, False

        @functools.wraps(task)
        def guarded(cfg: DictConfig) -> Any:
            nonlocal jobs, said
            jobs += 1
            _quiet()
            use_threads()
            try:
                return _run(task, cfg, config_name)
            except KeyboardInterrupt as error:
                _end_interrupted(error, interrupted or _kept(Path(HydraConfig.get().runtime.output_dir)))
            except Exception as error:
                message = _user_message(error)
                if message is None:
                    raise
                if HydraConfig.get().mode == RunMode.MULTIRUN:
                    _say(message)
                    said = True
                    raise
                _end(message, EXIT_USER_ERROR)

        entry = hydra.main(version_base="1.3", config_path=conf_dir(), config_name=config_name)(guarded)

        @functools.wraps(task)
        def main() -> None:
            if asks_for_help(sys.argv[1:]):
                print(format_help(config_name, _summary(task), examples, Path(conf_dir())))
                return
            full = os.environ.get("HYDRA_FULL_ERROR") == "1" and not signals.follows()
            os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's shortened tracebacks hide the message
            if signals.follows():
                sys.argv[1:] = follow_arguments(sys.argv[1:])
            with signals.handled():
                (entry if full else guarded_entry)()

        def guarded_entry() -> None:
            try:
                entry()
            except Exception as error:
                message = _user_message(error)
                if message is None and not jobs and isinstance(error, OSError):
                    message = (
                        f"cannot make the run's folder {error.filename}: {error.strerror}. Set paths.outputs=FOLDER"
                    )
                if message is None:
                    raise
                if said and jobs == 1:  # after further jobs, the message is repeated below their output
                    raise SystemExit(EXIT_USER_ERROR) from None
                _end(message, EXIT_USER_ERROR)
            except KeyboardInterrupt as error:  # before the first job, or while other processes run the jobs
                _end_interrupted(error, RESUMED)
            finally:
                finish_sweeps()

        return main

    return decorate


def _run(task: Callable[[DictConfig], Any], cfg: DictConfig, command: str) -> Any:
    """Run a job in its folder, which only this process and its children may use meanwhile."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with ExitStack() as stack:
        if is_first() and not is_swept():
            whole = "table" if cfg.get("table") is not None else command
            stack.enter_context(own_folder(folder, whole, cfg.get("resume")))
        stack.enter_context(shared_job(folder))
        return run_swept(task, cfg) if is_swept() else task(cfg)


def _kept(folder: Path) -> str:
    """Return a message that names the run's folder and, for a training, how to resume it."""
    checkpoint = folder / CHECKPOINTS / "interrupted.ckpt"
    return f"Finished output is in {folder}" + (f"; continue with resume={checkpoint}" if checkpoint.is_file() else "")


def _end_interrupted(error: KeyboardInterrupt, kept: str) -> NoReturn:
    word, code = signals.describe_interrupt(error)
    _end(f"{word}. {kept}", code)


def _user_message(error: BaseException) -> str | None:
    """Return the message for an error that the user can solve, or None if the traceback is needed."""
    if isinstance(error, InstantiationException):  # Hydra wraps what a constructor raised
        if isinstance(error.__cause__, AssertionError) and not str(error.__cause__):  # a type check of Lightning
            return f"{str(error).splitlines()[-1].replace('full_key: ', '')}: a value has the wrong type; see `--help`"
        if isinstance(error.__cause__, ValueError | TypeError):
            return f"{str(error).splitlines()[-1].replace('full_key: ', '')}: {error.__cause__}"
        return _user_message(error.__cause__) if error.__cause__ else str(error)
    if isinstance(error, UserError) or type(error).__name__ == "MisconfigurationException":  # Lightning's user errors
        return str(error)
    if isinstance(error, UnicodeEncodeError) and error.reason.startswith("surrogates not allowed"):
        around = error.object[max(0, error.start - 30) : error.end + 10]
        return f"A file name is not valid UTF-8 and cannot be written ({around!r}): rename the file."
    if missing := re.search(r"hydra/launcher/(joblib|submitit|ray)", str(error)):
        return f'hydra/launcher={missing[1]} is not installed: pip install "explainsal[{missing[1]}]"'
    if isinstance(error, HydraException | OmegaConfBaseException):
        return explain_wrong_option(error, Path(sys.argv[0]).stem, sys.argv[1:], Path(conf_dir()))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"The disk is full ({error.filename or 'while writing'}). Make room, then run the same command again."
    if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"No permission to write {error.filename}. Choose another place: paths.outputs=... or paths.data=..."
    return None


def _summary(task: Callable[..., Any]) -> str:
    """Return the first sentence of the command file, without the example call."""
    text = (sys.modules[task.__module__].__doc__ or "").splitlines()[0]
    return text.split(": ``")[0].rstrip(".:") + "."


def _say(message: str) -> None:
    print(f"\nexplainsal: {message}", file=sys.stderr, flush=True)


def _end(message: str, code: int) -> NoReturn:
    sys.stdout.flush()
    _say(message)
    raise SystemExit(code)


def _quiet() -> None:
    """Silence notes that a user cannot act on; warnings about data or numbers are kept."""
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda", "fontTools"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in _NOTES:
        warnings.filterwarnings("ignore", message=message)
