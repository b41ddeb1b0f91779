"""Exact continuation of a training from a checkpoint, as if it had not been interrupted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from explainsal.data.seeds import mix_seed, run_seed
from explainsal.errors import UserError

_PATHS = ("best_model_path", "kth_best_model_path", "last_model_path")
_ORDER = "explainsal_order"  # key in checkpoints
_NAMES = {"seed": "seed", "batch_size": "data.batch_size", "processes": "the number of processes"}


class ExactResume(Callback):
    """Make a resumed training equal an uninterrupted one.

    Random generators are seeded at the start of every epoch, and checkpoints store their states. A run
    that resumes from another run's folder keeps the best score and checkpoint of that run.

    Args:
        dirpath: Folder of this run's checkpoints; the resumed run may have another.
    """

    def __init__(self, dirpath: str) -> None:
        self.folder = os.path.realpath(dirpath)
        self._restored: dict[str, Any] = {}
        self._order: dict[str, int] = {}

    @property
    def state_key(self) -> str:
        """Key of the states in checkpoints, which are older than this class's name."""
        return "GoOnExactly"

    def state_dict(self) -> dict[str, Any]:
        """Return the states of the generators that layers and losses use."""
        cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
        return {"torch": torch.get_rng_state(), "cuda": cuda}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the states until the first step, because earlier code also draws from the generators."""
        self._restored = state_dict

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Within an epoch, store the settings that determine the order of its images."""
        epochs: Any = trainer.fit_loop.epoch_progress.current
        batches: Any = trainer.fit_loop.epoch_loop.batch_progress.current
        if epochs.started > epochs.processed and 0 < batches.processed < trainer.num_training_batches:
            checkpoint[_ORDER] = _order(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Raise if an epoch would be continued in another order.

        Raises:
            UserError: If the settings differ, so that some images would be seen twice in this epoch and others never.
        """
        order, self._order = self._order, {}
        now = _order(trainer)
        if differ := [name for name in order if order[name] != now[name]]:
            changes = ", ".join(f"{_NAMES[name]}={order[name]}, now {now[name]}" for name in differ)
            raise UserError(
                f"the checkpoint is from the middle of an epoch, whose order of images depends on {changes}: resume "
                "with the same settings, or from last.ckpt, which was written at the end of an epoch"
            )

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Set this run's folder as the place of the checkpoint callbacks' files."""
        self._order = dict(checkpoint.get(_ORDER, {}))
        for name, state in checkpoint.get("callbacks", {}).items():
            if str(name).startswith("ModelCheckpoint"):
                checkpoint["callbacks"][name] = _moved(state, self.folder)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed the generators, so that no epoch depends on earlier draws."""
        self._restored = {}
        epochs: Any = trainer.fit_loop.epoch_progress.current
        torch.manual_seed(mix_seed(run_seed(), epochs.processed))

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Restore the generators when continuing within an epoch."""
        state, self._restored = self._restored, {}
        if state:
            torch.set_rng_state(state["torch"].cpu())
            if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
                torch.cuda.set_rng_state_all([one.cpu() for one in state["cuda"]])


def _order(trainer: Trainer) -> dict[str, int]:
    batches = getattr(trainer.train_dataloader, "batch_sampler", None)
    return {"seed": run_seed(), "batch_size": int(getattr(batches, "batch_size", 0)), "processes": trainer.world_size}


def _moved(state: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return the state of a ModelCheckpoint whose files are now in another folder under the same names."""

    def moved(path: str) -> str:
        return str(Path(folder) / Path(path).name) if path else path

    paths = {name: moved(state[name]) for name in _PATHS if name in state}
    kept = {moved(path): score for path, score in state.get("best_k_models", {}).items()}
    return {**state, "dirpath": folder, **paths, "best_k_models": kept}
