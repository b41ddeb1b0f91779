"""Resume a training: take over the checkpoint, best epoch and metrics of the former run."""

from __future__ import annotations

import logging
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_only
from torch import nn

from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.fetch.writing import replaced_file
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import RECORD
from explainsal.models.weights import require_fit, state_dict_in
from explainsal.tracking.metrics_file import METRICS, take_over_metrics
from explainsal.workflows.loading import load_model

log = logging.getLogger(__name__)

BEST, LAST, CHECKPOINTS = "best.ckpt", "last.ckpt", "checkpoints"
_NEEDED = ("state_dict", "loops", "optimizer_states", "epoch", "global_step")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to resume.

    Raises:
        MissingFilesError: If the file does not exist.
        CorruptFileError: If the file is damaged.
        UserError: If the file holds no training state.
    """
    if not path.is_file():
        raise MissingFilesError(f"resume={path}: no such checkpoint")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CorruptFileError(
            f"resume={path} cannot be read ({reason}): it is damaged, or was not written by explainsal.train. "
            f"Resume from another checkpoint of that run"
        ) from None
    missing = [name for name in _NEEDED if not isinstance(checkpoint, dict) or name not in checkpoint]
    if missing or "fit_loop" not in checkpoint["loops"]:
        raise UserError(
            f"resume={path} holds no training state (it lacks {', '.join(missing) or 'fit_loop'}): give last.ckpt or "
            "interrupted.ckpt of a run of explainsal.train. To start from weights alone, give them to the model"
        )
    return checkpoint


def resume_from(path: Path, output: Path, model: SaliencyModel, max_epochs: int | None) -> None:
    """Check that a checkpoint fits the training, and take over the files of its run.

    Raises:
        UserError: If the checkpoint is damaged, belongs to another network, or is past the last epoch of this training.
    """
    checkpoint = read_checkpoint(path)
    require_same_network(path, checkpoint, model, max_epochs)
    take_over(path, output, checkpoint["global_step"])


def require_same_network(path: Path, checkpoint: dict[str, Any], model: SaliencyModel, max_epochs: int | None) -> None:
    """Raise if a checkpoint belongs to another network, has unusable weights, or is past the last epoch.

    Raises:
        UserError: In that case; the message names the difference.
        CorruptFileError: If a weight is missing, NaN, or of another shape or type.
    """
    record, own = checkpoint.get(RECORD) or {}, model.record()
    there = {**dict(record.get("options") or {}), "model": record.get("name")}
    here = {**dict(own.get("options") or {}), "model": own.get("name")}
    differ = [key for key in here if key in there and _plain(there[key]) != _plain(here[key])]
    if RECORD not in checkpoint or differ:
        changes = ", ".join(f"{key}={there.get(key)}, now {here[key]}" for key in differ) or "no record of its network"
        raise UserError(f"resume={path} belongs to another network ({changes}): give the options of its training")
    require_fit(model.net, state_dict_in(checkpoint, path), f"resume={path}", model.name)
    if not checkpoint["optimizer_states"] and any(parameter.requires_grad for parameter in model.parameters()):
        raise UserError(f"resume={path} holds no optimizer state: give last.ckpt or interrupted.ckpt of a training")
    if max_epochs is not None and 0 <= max_epochs < checkpoint["epoch"]:
        raise UserError(
            f"resume={path} is in epoch {checkpoint['epoch']}, but trainer.max_epochs={max_epochs}: give a larger one"
        )


@rank_zero_only
def take_over(resume: Path, output: Path, steps: int) -> None:
    """Copy a resumed training's metrics and its best and last checkpoint into this run's folder.

    Args:
        steps: Training steps at the checkpoint; later metrics and checkpoints are not copied.
    """
    folder = output / CHECKPOINTS
    take_over_metrics(resume.parent.parent / METRICS, output / METRICS, steps)
    for name, source in ((BEST, resume.with_name(BEST)), (LAST, resume)):
        if not (folder / name).exists() and source.is_file() and _steps(source) <= steps:
            with replaced_file(folder / name) as temporary:
                shutil.copyfile(source, temporary)


def trained_network(folder: Path, network: SaliencyModel) -> nn.Module:
    """Return the network of the best epoch, else of the last one, else as it is in memory."""
    for name in (BEST, LAST):
        if (folder / name).is_file():
            if name == LAST:
                log.warning("no epoch was validated: using %s instead of the best one", folder / name)
            return load_model(folder / name)
    log.warning("no epoch was trained: evaluating the network with its initial weights")
    return network.eval()


def _steps(path: Path) -> int:
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
