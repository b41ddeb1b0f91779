"""Weights & Biases through Lightning's logger: online with a key, offline without one, never in the way."""

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
RUN_ID = "wandb_run_id"  # its place in a checkpoint
_ROOM = 2**20  # bytes: with less the end of a run was hardly written
INIT_SECONDS, FINISH_SECONDS, SERVICE_SECONDS = 30, 600, 3  # a dead network must not hold up a run


def build_wandb_logger(save_dir: str, **options: Any) -> GuardedWandbLogger | None:
    """A W&B logger; ``WANDB_MODE`` is respected, else offline when no key is found.

    Offline runs lie in ``<save_dir>/wandb`` and go up later with ``wandb sync <folder>``.

    Args:
        save_dir: The run's output folder.
        options: Passed to ``wandb.init`` through Lightning (project, name, tags, id, ...).

    Returns:
        The logger; None, after a warning, where wandb is not installed or does not work.
    """
    try:
        import wandb

        _forget_dead_service()
        settings = wandb.Settings(init_timeout=INIT_SECONDS, finish_timeout=FINISH_SECONDS, silent=True)
    except ImportError:
        log.warning('logging to W&B is off: wandb is not installed (pip install "explainsal[wandb]")')
        return None
    except Exception as error:  # e.g. an environment variable that it cannot read
        log.warning("logging to W&B is off: %s: %s", type(error).__name__, error)
        return None
    mode = os.environ.get("WANDB_MODE", "online" if _has_key() else "offline")
    if mode not in ("online", "disabled"):
        log.info("W&B runs offline (no key found); upload later with: wandb sync %s/wandb/offline-run-*", save_dir)
    return GuardedWandbLogger(save_dir=save_dir, settings=settings, mode=mode, **options)


class GuardedWandbLogger(WandbLogger):
    """Lightning's W&B logger with two differences: it never raises, and it logs whole runs.

    The first failure of any kind is told in one warning; what can still be logged afterwards is. A run that cannot be
    started is not tried again.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._wandb_init.pop("anonymous")  # wandb warns of it even where it is None
        self._warned = self._off = False

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Within the block an error is a warning, the first time; Ctrl-C is not an error."""
        try:
            with _data_dir(Path(self._wandb_init["dir"]) / "wandb"):
                yield
        except Exception as error:
            if not self._warned:
                reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
                log.warning("logging to W&B failed at %s (%s); the run goes on without what is lost", what, reason)
            self._warned = True

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The run; started at the first use, and one that does nothing where that failed."""
        if self._experiment is None and not self._off:
            self._off = True
            with self.guarded("starting the run"):
                Path(self._wandb_init["dir"]).mkdir(parents=True, exist_ok=True)
                _ = super().experiment
                self._off = False
        return DummyExperiment() if self._experiment is None else self._experiment

    @rank_zero_only
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """As Lightning's."""
        with self.guarded("its configuration"):
            super().log_hyperparams(params, *args, **kwargs)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """As Lightning's; values may be tables and pictures, too."""
        with self.guarded(", ".join(metrics)):
            super().log_metrics(metrics, step)

    @rank_zero_only
    def log_summary(self, values: Mapping[str, float]) -> None:
        """Numbers of the whole run, to compare runs by."""
        with self.guarded("the summary"):
            self.experiment.summary.update(dict(values))

    @rank_zero_only
    def log_files(
        self, name: str, kind: str, files: Mapping[str, Path], aliases: Sequence[str] = (), *, used: bool = False,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Log files as one artifact.

        They are put beside the run first, checkpoints as hard links: `wandb sync` finds them as they are now, whatever
        is written in their place later.

        Args:
            name: Of the artifact, which belongs to the project: versions of one thing share it.
            kind: Its type: ``model``, ``explanation``, ``results``.
            files: Name in the artifact -> file.
            aliases: Of this version.
            used: An input of this run, not an output. Equal files of equal name are one version: the lineage goes from
                the run that made it to this one.
            metadata: What to know about it.
        """
        with self.guarded(f"the artifact {name}"):
            import wandb

            run = self.experiment
            if isinstance(run, DummyExperiment):
                return
            artifact = wandb.Artifact(name, type=kind, metadata=dict(metadata or {}))
            for place, file in files.items():
                staged = _beside(
                    Path(run.dir).parent / "artifacts" / name / "_".join(("files", *aliases)) / place, file
                )
                artifact.add_file(str(staged), name=place, policy="immutable", skip_cache=True)
            if not used:
                run.log_artifact(artifact, aliases=list(aliases) or None)
            elif not run.offline:
                run.use_artifact(artifact, aliases=list(aliases) or None)
            elif hasattr(run, "_log_artifact"):  # `use_artifact` needs a server; this is what it calls
                run._log_artifact(artifact, aliases=list(aliases) or None, is_user_created=True, use_after_commit=True)
            else:
                log.info("this version of wandb cannot note the input %s offline", name)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """The end of a Lightning loop, which is not the end of the run: the evaluation follows."""

    def after_save_checkpoint(self, checkpoint_callback: ModelCheckpoint) -> None:
        """Nothing: checkpoints are logged once, when the run ends."""

    @rank_zero_only
    def close(self, *, failed: bool = False) -> None:
        """End the run, so that the next job of a sweep gets its own."""
        run, self._experiment, self._off = self._experiment, None, True
        if run is not None:
            self._id = run.id
            with self.guarded("finishing the run"):
                run.finish(exit_code=int(failed))
                # wandb's own process writes the file, and keeps it to itself when it cannot
                if shutil.disk_usage(self._wandb_init["dir"]).free < _ROOM:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._wandb_init["dir"])


class RunIdInCheckpoint(Callback):
    """Keeps the id of the W&B run in every checkpoint, so that a resumed training goes on in the same run.

    Args:
        logger: The logger of that run.
    """

    def __init__(self, logger: GuardedWandbLogger) -> None:
        self.logger = logger

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Write it down; every process calls this, the first one knows it."""
        if self.logger.version is not None:
            checkpoint[RUN_ID] = str(self.logger.version)


def run_id_in(checkpoint: str | Path) -> str | None:
    """The W&B run that a checkpoint comes from; None where it has none or cannot be read, which is another's error."""
    try:
        content = torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception:  # whatever is wrong with the file, who needs more of it says it better
        return None
    found = content.get(RUN_ID) if isinstance(content, dict) else None
    return str(found) if found else None


def _forget_dead_service() -> None:
    """Have wandb start another service where the one that this or a parent process started is gone.

    wandb looks for that one alone, and every call would fail. Its address is a port or a socket's path.
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
        with suppress(Exception):  # of an earlier job in this process: wandb holds on to the connection
            wandb.teardown(exit_code=1)
        wandb.run = None  # a run that could not be finished would be taken for this job's


@contextmanager
def _data_dir(folder: Path) -> Iterator[None]:
    """Within the block the pictures of tables are put in this folder, not into the home directory (unless asked to)."""
    if "WANDB_DATA_DIR" in os.environ:
        yield
        return
    os.environ["WANDB_DATA_DIR"] = str(folder)
    try:
        yield
    finally:
        del os.environ["WANDB_DATA_DIR"]


def _beside(staged: Path, file: Path) -> Path:
    """A file under another name that later writing does not change: checkpoints are replaced, never written into."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    staged.unlink(missing_ok=True)
    if file.suffix == ".ckpt":
        try:
            os.link(file, staged)
            return staged
        except OSError:  # a file system without hard links, or another one than the run's
            pass
    shutil.copyfile(file, staged)
    return staged


def _has_key() -> bool:
    """Whether a key is in the environment or in ~/.netrc, where ``wandb login`` puts it."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    try:
        return netrc.netrc().authenticators(_HOST) is not None
    except (OSError, netrc.NetrcParseError):
        return False
