"""Weights & Biases through Lightning's logger: online with a key, otherwise offline; failures never stop a run."""

from __future__ import annotations

import errno
import logging
import netrc
import os
import re
import shutil
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.loggers.logger import _DummyExperiment as DummyExperiment
from lightning.fabric.loggers.logger import rank_zero_experiment
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

log = logging.getLogger(__name__)
_HOST = "api.wandb.ai"
RUN_ID = "wandb_run_id"  # key of the run's id in a checkpoint
_MIN_FREE_BYTES = 2**20  # with less free disk space, the end of a run was probably not written
INIT_SECONDS, FINISH_SECONDS, SERVICE_SECONDS = 30, 600, 3  # time limits, so that a broken network does not delay a run


def build_wandb_logger(save_dir: str, **options: Any) -> GuardedWandbLogger | None:
    """Build a W&B logger; it respects ``WANDB_MODE``, and is offline without a key.

    Offline runs are stored in ``<save_dir>/wandb``; ``wandb sync <folder>`` uploads them.

    Args:
        options: Passed to ``wandb.init`` through Lightning (project, name, tags, id, ...).

    Returns:
        The logger; None, after a warning, if wandb is not installed or does not work.
    """
    try:
        import wandb

        _forget_dead_service()
        settings = wandb.Settings(init_timeout=INIT_SECONDS, finish_timeout=FINISH_SECONDS, silent=True)
    except ImportError:
        log.warning('logging to W&B is off: wandb is not installed (pip install "explainsal[wandb]")')
        return None
    except Exception as error:  # e.g. an invalid environment variable
        log.warning("logging to W&B is off: %s: %s", type(error).__name__, error)
        return None
    mode = os.environ.get("WANDB_MODE", "online" if _has_key() else "offline")
    if mode not in ("online", "disabled"):
        log.info("W&B runs offline (no key found); upload later with: wandb sync %s/wandb/offline-run-*", save_dir)
    return GuardedWandbLogger(save_dir=save_dir, settings=settings, mode=mode, **options)


class GuardedWandbLogger(WandbLogger):
    """Lightning's W&B logger with two differences: it never raises, and its run ends only when `close` is called.

    The first failure of any kind causes one warning; later items are still logged if possible. If the run cannot be
    started, it is not tried again.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wandb_init.pop("anonymous")  # wandb warns about it even if it is None
        self._warned = self._off = False

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Turn an error within the block into a warning, the first time only; Ctrl-C is not affected."""
        try:
            with _data_dir(Path(self._wandb_init["dir"]) / "wandb"):
                yield
        except Exception as error:
            if not self._warned:
                reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
                log.warning("logging to W&B failed at %s (%s); continuing, this item was not logged", what, reason)
            self._warned = True

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run, started on first use; a dummy run if starting failed."""
        if self._experiment is None and not self._off:
            self._off = True
            with self.guarded("starting the run"):
                Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
                _ = super().experiment
                self._off = False
        return DummyExperiment() if self._experiment is None else self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Log hyperparameters as Lightning does."""
        with self.guarded("its configuration"):
            super().log_hyperparams(params, *args, **kwargs)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics as Lightning does; values may also be tables and pictures."""
        with self.guarded(", ".join(metrics)):
            super().log_metrics(metrics, step)

    @rank_zero_only
    def log_summary(self, values: Mapping[str, float]) -> None:
        """Log numbers of the whole run, for comparing runs."""
        with self.guarded("the summary"):
            self.experiment.summary.update(dict(values))

    @rank_zero_only
    def log_files(
        self, name: str, kind: str, files: Mapping[str, Path], aliases: Sequence[str] = (), *, used: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Log files as one artifact.

        They are first copied into the run's folder, checkpoints as hard links. `wandb sync` then finds their current
        content, even if the originals are replaced later.

        Args:
            name: Name of the artifact. It is unique in the project; versions of one thing share it.
            kind: Type: ``model``, ``explanation``, ``results``.
            files: Name in the artifact -> file.
            used: Whether it is an input of this run rather than an output. W&B treats equal files with equal names as
                one version, so its lineage graph links the run that wrote the files to this run.
        """
        with self.guarded(f"the artifact {name}"):
            import wandb

            run = self.experiment
            if isinstance(run, DummyExperiment):
                return
            artifact = wandb.Artifact(name, type=kind, metadata=dict(metadata or {}))
            for place, file in files.items():
                staged = _stage(Path(run.dir).parent / "artifacts" / name / "_".join(("files", *aliases)) / place, file)
                artifact.add_file(str(staged), name=place, policy="immutable", skip_cache=True)
            if not used:
                run.log_artifact(artifact, aliases=list(aliases) or None)
            elif not run.offline:
                run.use_artifact(artifact, aliases=list(aliases) or None)
            elif hasattr(run, "_log_artifact"):  # `use_artifact` needs a server, and calls this method
                run._log_artifact(artifact, aliases=list(aliases) or None, is_user_created=True, use_after_commit=True)
            else:
                log.info("this version of wandb cannot log the input %s offline", name)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Do nothing at the end of a Lightning loop, because the run continues with the evaluation."""

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Do nothing: checkpoints are logged once, when the run ends."""

    @rank_zero_only
    def close(self, *, failed: bool = False) -> None:
        """End the run, so that the next job of a sweep starts its own."""
        run, self._experiment, self._off = self._experiment, None, True
        if run is not None:
            self._id = run.id
            with self.guarded("finishing the run"):
                run.finish(exit_code=int(failed))
                # wandb's own process writes the file, and reports no failure
                if shutil.disk_usage(self._wandb_init["dir"]).free < _MIN_FREE_BYTES:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._wandb_init["dir"])


class RunIdInCheckpoint(Callback):
    """Store the W&B run's id in every checkpoint, so that a resumed training continues the same run."""

    def __init__(self, logger: GuardedWandbLogger) -> None:
        self.logger = logger

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Store the id; every process calls this, but only the first one has an id."""
        if self.logger.version is not None:
            checkpoint[RUN_ID] = str(self.logger.version)


def run_id_in(checkpoint: str | Path) -> str | None:
    """Return the id of a checkpoint's W&B run; None if it has none, or if the file cannot be read."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # other readers of the file report errors better
        return None
    found = content.get(RUN_ID) if isinstance(content, dict) else None
    return str(found) if found else None


def _forget_dead_service() -> None:
    """Let wandb start a new background service if the one started by this or a parent process has ended.

    Otherwise wandb looks only for the old service, and every call fails. The address is a port or the path of a socket.
    """
    import wandb

    address = os.environ.get("WANDB_SERVICE")
    if not address:
        return
    found = re.fullmatch(r"\d+-\d+-(?:tcp-localhost-(?P<port>\d+)|unix-(?P<path>.+))", address)
    try:
        if found is None:
            raise OSError("not an address")
        if found["port"]:
            socket.create_connection(("localhost", int(found["port"])), timeout=SERVICE_SECONDS).close()
        else:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(SERVICE_SECONDS)
                client.connect(found["path"])
    except OSError as error:
        log.info("W&B's service at %s does not answer (%s): starting another", address, error)
        os.environ.pop("WANDB_SERVICE")
        with suppress(Exception):  # wandb still holds the connection of an earlier job in this process
            wandb.teardown(exit_code=1)
        wandb.run = None  # otherwise wandb would reuse an earlier run that could not be finished


@contextmanager
def _data_dir(folder: Path) -> Iterator[None]:
    """Store the pictures of tables in this folder within the block, unless WANDB_DATA_DIR is set."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _stage(staged: Path, file: Path) -> Path:
    """Copy a file, so that later writing does not change it; checkpoints, which are only replaced, are linked."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.unlink(missing_ok=True)
    if file.suffix == ".ckpt":
        try:
            os.link(file, staged)
            return staged
        except OSError:  # a file system without hard links, or a different one
            pass
    shutil.copyfile(file, staged)
    return staged


def _has_key() -> bool:
    """Return whether a key is in the environment or in ~/.netrc, where ``wandb login`` stores it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
