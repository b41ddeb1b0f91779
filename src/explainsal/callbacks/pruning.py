"""Callback that drops the terms of a learned graph during its training."""

from __future__ import annotations

from typing import Protocol, cast

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import nn

from explainsal.errors import UserError


class Prunable(Protocol):
    """A network whose maps have a number of terms that can be reduced."""

    @property
    def terms(self) -> int:
        """Largest number of terms of a map."""
        ...

    def prune(self, terms: int) -> None:
        """Keep at most so many terms of every map."""
        ...


class Pruning(Callback):
    """Reduce the terms per map from all to `terms` in the first part of a training, by a constant factor per step.

    Args:
        terms: Terms per map at the end.
        until: Share of the training's steps after which only these are left, above 0 and at most 1.

    Raises:
        UserError: If the options are out of range or, at the start of a training, if the network has no terms to drop.
    """

    def __init__(self, terms: int = 20, until: float = 0.5) -> None:
        if terms < 1 or not 0 < until <= 1:
            raise UserError(f"callbacks.pruning: terms={terms} must be at least 1, until={until} above 0 and at most 1")
        self.terms, self.until = terms, until
        self.most = 0  # terms of a map at the start of the training

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Find the number of terms at the start."""
        graph = _graph(pl_module)
        self.most = self.most or graph.terms

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: object, batch_idx: int) -> None:
        """Drop the smallest terms."""
        wanted = self.wanted(trainer.global_step / max(1, int(trainer.estimated_stepping_batches)))
        _graph(pl_module).prune(wanted)

    def wanted(self, done: float) -> int:
        """Return the number of terms per map after a share of the training.

        Example:
            >>> pruning = Pruning(terms=20, until=0.5)
            >>> pruning.most = 2000
            >>> [pruning.wanted(done) for done in (0, 0.25, 0.5, 1)]
            [2000, 200, 20, 20]
        """
        left = max(0.0, 1 - done / self.until)
        return max(self.terms, round(self.terms * (max(self.most, self.terms) / self.terms) ** left))

    def state_dict(self) -> dict[str, int]:
        """Return the number of terms at the start, which a resumed training needs."""
        return {"most": self.most}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore the number of terms at the start."""
        self.most = state_dict["most"]


def _graph(module: LightningModule) -> Prunable:
    net = cast(nn.Module, getattr(module.model, "net", module.model))
    if not hasattr(net, "prune"):
        raise UserError(f"callbacks.pruning drops the terms of model=graph; {type(net).__name__} has none")
    return cast(Prunable, net)
