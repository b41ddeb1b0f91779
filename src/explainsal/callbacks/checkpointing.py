"""Checkpoints that survive a full disk, kill -9 and Ctrl-C."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.exceptions import SIGTERMException

from explainsal.errors import UserError
from explainsal.fetch.writing import write_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Write checkpoints to a new file, then rename it over the old one; a complete checkpoint is always on disk."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write the checkpoint.

        Raises:
            UserError: If the file system reports an error; the previous checkpoint is intact.
        """
        path = Path(path)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        try:
            write_file(path, buffer.getbuffer())
        except OSError as error:
            raise UserError(
                f"could not write the checkpoint {path} ({len(buffer.getbuffer()) / 1e6:.0f} MB): {error.strerror}. "
                "Earlier checkpoints in that folder are intact; free some space, then resume with "
                f"resume={path.with_name('last.ckpt')}"
            ) from error


class InterruptCheckpoint(Callback):
    """Save the state of the current step as ``interrupted.ckpt`` on Ctrl-C or SIGTERM during training."""

    def __init__(self, dirpath: str) -> None:
        self.path = Path(dirpath) / "interrupted.ckpt"

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Save if the run was stopped from outside; after an error the weights may be invalid."""
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        if isinstance(exception, KeyboardInterrupt | SIGTERMException) and fitting and trainer.global_step > 0:
            # `Trainer.save_checkpoint` would wait for the other processes, which are not at this point
            checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
            if trainer.validating:
                _restart_validation(checkpoint["loops"]["fit_loop"])
            if trainer.is_global_zero:
                trainer.strategy.checkpoint_io.save_checkpoint(checkpoint, self.path)


def _restart_validation(fit_loop: dict[str, Any]) -> None:
    """Rewrite the state of the loops so that an interrupted validation restarts with its first batch."""
    begun = {"ready": 1, "started": 1, "processed": 0, "completed": 0}
    progress = {"total": dict(begun), "current": dict(begun), "is_last_batch": False}
    fit_loop["epoch_loop.val_loop.batch_progress"] = progress
