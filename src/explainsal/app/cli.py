"""Turn functions into commands: find the configuration, run the job, and report errors and interrupts."""

from __future__ import annotations

import functools
import gc
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from explainsal import signals
from explainsal.app.arguments import drop_null_groups
from explainsal.app.folders import follow_arguments, own_folder, shared_job
from explainsal.app.help import asks_for_help, explain_dashes, explain_null, explain_wrong_number, format_help
from explainsal.app.messages import (
    EXIT_USER_ERROR,
    describe_error,
    end,
    end_interrupted,
    name_output,
    say,
    silence_notes,
)
from explainsal.app.schemas import register_options
from explainsal.app.sweeps import finish_sweeps, is_swept, run_swept
from explainsal.errors import MissingFilesError, UserError
from explainsal.processes import is_first
from explainsal.threads import use_threads

_YES_OR_NO = ("yes", "no", "on", "off")
_OBJECTS = 10_000  # objects between two searches for reference cycles; Python's 700 slow down imports by a tenth
RESUMED = "Run the same command again to resume."
Task = Callable[[DictConfig], Any]

register_options()


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
) -> Callable[[Task], Callable[[], None]]:
    """Turn ``task(cfg)`` into a command-line entry point.

    An error that the user can solve becomes one message and exit code 2. Ctrl-C exits with 130, SIGTERM with 143. In a
    multirun the error is also passed to Hydra, which marks the job as failed and continues with the next one.

    Args:
        config_name: Name of the command's configuration.
        examples: Arguments of example calls, for ``--help``.
        interrupted: Message after Ctrl-C or SIGTERM; by default it names the run's folder.
    """

    def decorate(task: Task) -> Callable[[], None]:
        run = _Command(task, config_name, interrupted)

        @functools.wraps(task)
        def main() -> None:
            if asks_for_help(sys.argv[1:]):
                print(format_help(config_name, _summary(task), examples, Path(conf_dir())))
            elif advice := explain_dashes(sys.argv[1:], config_name, Path(conf_dir())):
                end(advice, EXIT_USER_ERROR)
            else:
                run()

        return main

    return decorate


class _Command:
    """A command: Hydra composes its options and calls `run_job`, for a multirun once per job."""

    def __init__(self, task: Task, name: str, interrupted: str) -> None:
        self.task, self.name, self.interrupted = task, name, interrupted
        self.jobs, self.reported = 0, False  # number of started jobs; whether a job has printed its error

    def __call__(self) -> None:
        """Run the command that the command line describes."""

        @functools.wraps(self.task)
        def job(cfg: DictConfig) -> Any:  # Hydra reads the name of the job from this function
            return self.run_job(cfg)

        entry = hydra.main(version_base="1.3", config_path=conf_dir(), config_name=self.name)(job)
        traceback = os.environ.get("HYDRA_FULL_ERROR") == "1" and not signals.follows()
        os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra's shortened tracebacks hide the message
        sys.argv[1:] = drop_null_groups(sys.argv[1:], Path(conf_dir(), f"{self.name}.yaml"))
        if signals.follows():
            sys.argv[1:] = follow_arguments(sys.argv[1:])
        gc.set_threshold(_OBJECTS)
        try:
            with signals.handled():
                if traceback:
                    entry()
                else:
                    self.run_with_messages(entry)
        finally:
            gc.freeze()  # the search at the end of the process would visit every object of every module

    def run_job(self, cfg: DictConfig) -> Any:
        """Run one job and print a user error as one message."""
        self.jobs += 1
        try:
            _require_image(cfg)
            _require_true_or_false(HydraConfig.get().overrides.task)
            silence_notes()
            use_threads()
            return _run(self.task, cfg, self.name)
        except KeyboardInterrupt as error:
            end_interrupted(error, self.interrupted or name_output(Path(HydraConfig.get().runtime.output_dir)))
        except Exception as error:
            message = self.describe(error, alone=HydraConfig.get().mode != RunMode.MULTIRUN)
            if message is None:
                raise
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                say(message)
                self.reported = True
                raise
            end(message, EXIT_USER_ERROR)

    def describe(self, error: Exception, *, alone: bool = True) -> str | None:
        """Return the message for an error that the user can solve, or None.

        Args:
            alone: Whether no further job follows. Only then may the defaults be looked up, which resets Hydra.
        """
        message = describe_error(error, Path(conf_dir()))
        if not alone or (message is not None and not isinstance(error.__cause__, TypeError)):
            return message
        explain = explain_null if "NoneType" in str(error) else explain_wrong_number
        return explain(self.name, sys.argv[1:], Path(conf_dir())) or message

    def run_with_messages(self, entry: Callable[[], None]) -> None:
        """Run all jobs. Print an error as one message if it occurs before the first job or in the last one."""
        try:
            entry()
        except Exception as error:
            message = self.describe(error)
            if message is None and not self.jobs and isinstance(error, OSError):
                message = f"cannot make the run's folder {error.filename}: {error.strerror}. Set paths.outputs=FOLDER"
            if message is None:
                raise
            if self.reported and self.jobs == 1:  # after further jobs, the message is repeated below their output
                raise SystemExit(EXIT_USER_ERROR) from None
            end(message, EXIT_USER_ERROR)
        except KeyboardInterrupt as error:  # before the first job, or while other processes run the jobs
            end_interrupted(error, RESUMED)
        finally:
            finish_sweeps()


def _require_image(cfg: DictConfig) -> None:
    """Raise before anything slow is imported if there is no such picture or folder, or it would be ignored."""
    image = cfg.get("image")
    if image is not None and not Path(image).exists():
        raise MissingFilesError(f"no such picture or folder: {Path(image).absolute()}")
    if image is not None and cfg.data.root != image:
        raise UserError(f"image={image} and the data set in {cfg.data.root}: give only image=... or only data=...")


def _require_true_or_false(overrides: Sequence[str]) -> None:
    """Raise if an option is a word such as ``no``, which YAML here reads as text, so that it would count as true."""
    for override in overrides:
        key, _, value = override.partition("=")
        if value.lower() in _YES_OR_NO:
            meant = "true" if value.lower() in ("yes", "on") else "false"
            raise UserError(f"{override}: give {key}={meant} (or \"{key}='{value}'\", if a text is meant)")


def _run(task: Task, cfg: DictConfig, command: str) -> Any:
    """Run a job in its folder, which only this process and its children may use meanwhile."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    with ExitStack() as stack:
        if is_first() and not is_swept():
            kind = "table" if cfg.get("table") is not None else command
            stack.enter_context(own_folder(folder, kind, cfg.get("resume")))
        stack.enter_context(shared_job(folder))
        return run_swept(task, cfg) if is_swept() else task(cfg)


def _summary(task: Task) -> str:
    """Return the first sentence of the command file, without the example call."""
    text = (sys.modules[task.__module__].__doc__ or "").splitlines()[0]
    return text.split(": ``")[0].rstrip(".:") + "."
