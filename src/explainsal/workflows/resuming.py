"""What a resumed training takes over from the one before: its checkpoint, its best epoch, its metrics."""

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
from explainsal.tracking.metrics_file import METRICS, take_over_metrics
from explainsal.workflows.loading import load_model

log = logging.getLogger(__name__)

BEST, LAST, CHECKPOINTS = "best.ckpt", "last.ckpt", "checkpoints"
_NEEDED = ("state_dict", "loops", "optimizer_states", "epoch", "global_step")


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint to resume.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it is damaged.
        UserError: If it holds no training to go on with.
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
    if missing:
        raise UserError(
            f"resume={path} holds no training to go on with (no {', '.join(missing)}): give last.ckpt or "
            "interrupted.ckpt of a run of explainsal.train. To start from weights alone, give them to the model"
        )
    return checkpoint


def resume_from(path: Path, output: Path, model: SaliencyModel, max_epochs: int | None) -> None:
    """Check a checkpoint against the training that is to go on with it, and take over what lies beside it.

    Raises:
        UserError: If it is damaged, of another network, or beyond the end of this training.
    """
    checkpoint = read_checkpoint(path)
    require_same_network(path, checkpoint, model, max_epochs)
    take_over(path, output, checkpoint["global_step"])


def require_same_network(path: Path, checkpoint: dict[str, Any], model: SaliencyModel, max_epochs: int | None) -> None:
    """Refuse to resume a checkpoint of another network, or one that is beyond the end of this training.

    Raises:
        UserError: In that case; it names the difference.
    """
    record, own = checkpoint.get(RECORD) or {}, model.record()
    there = {**dict(record.get("options") or {}), "model": record.get("name")}
    here = {**dict(own.get("options") or {}), "model": own.get("name")}
    differ = [key for key in here if key in there and _plain(there[key]) != _plain(here[key])]
    if RECORD not in checkpoint or differ:
        changes = ", ".join(f"{key}={there.get(key)}, now {here[key]}" for key in differ) or "no record of its network"
        raise UserError(f"resume={path} is of another network ({changes}): give the options that it was trained with")
    if max_epochs is not None and 0 <= max_epochs < checkpoint["epoch"]:
        raise UserError(
            f"resume={path} is in epoch {checkpoint['epoch']}, and trainer.max_epochs={max_epochs}: give a larger one"
        )


@rank_zero_only
def take_over(resume: Path, output: Path, steps: int) -> None:
    """Bring a resumed training's metrics, its best and its last checkpoint into this run's folder.

    Args:
        resume: The checkpoint.
        output: This run's folder.
        steps: Of the checkpoint; what came after it is left behind.
    """
    folder = output / CHECKPOINTS
    take_over_metrics(resume.parent.parent / METRICS, output / METRICS, steps)
    for name, source in ((BEST, resume.with_name(BEST)), (LAST, resume)):
        if not (folder / name).exists() and source.is_file() and _steps(source) <= steps:
            with replaced_file(folder / name) as temporary:
                shutil.copyfile(source, temporary)


def trained_network(folder: Path, network: SaliencyModel) -> nn.Module:
    """The network of the best epoch; of the last one, or as it is in memory, where no epoch was the best."""
    for name in (BEST, LAST):
        if (folder / name).is_file():
            if name == LAST:
                log.warning("no epoch was validated: %s is taken in place of the best one", folder / name)
            return load_model(folder / name)
    log.warning("no epoch was trained: the network is evaluated as it was built")
    return network.eval()


def _steps(path: Path) -> int:
    return int(torch.load(path, map_location="cpu", weights_only=True, mmap=True)["global_step"])


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple) else value
