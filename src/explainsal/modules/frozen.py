"""Module for a network whose weights a training loop does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.models.saliency_model import SaliencyModel
from explainsal.modules.saliency import SaliencyModule


class FrozenModule(SaliencyModule):
    """Network whose weights stay unchanged, while the losses and metrics of a training are logged for comparison.

    Parameters have no gradients, and there is no optimizer. Batch normalization and dropout are in evaluation mode
    whenever the network runs, even if a loop or a callback has called ``train()`` on it or on a part of it.

    Args:
        model: Network with its weights.
        loss: Logged, not minimized; see `SaliencyModule`.
        profile: Metric profile of the validation metrics.
    """

    def __init__(self, model: SaliencyModel, loss: Callable[..., Tensor], profile: str = "tuebingen") -> None:
        super().__init__(model, loss, _no_optimizer, profile=profile)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> FrozenModule:
        """Keep evaluation mode, whatever `mode` is."""
        super().train(False)
        return self

    def training_step(self, batch: SaliencyBatch, batch_idx: int) -> None:  # type: ignore[override]
        """Log the loss; the result None tells Lightning not to optimize."""
        super().training_step(batch, batch_idx)

    def maps(self, batch: SaliencyBatch) -> Tensor:
        """Return maps at the size of the stimuli, in evaluation mode."""
        with torch.no_grad():
            return super(FrozenModule, self.eval()).maps(batch)

    def batch_loss(self, batch: SaliencyBatch) -> Tensor:
        """Return the loss of a batch, in evaluation mode, without a gradient."""
        with torch.no_grad():
            return super(FrozenModule, self.eval()).batch_loss(batch)

    def configure_optimizers(self) -> None:
        """Return None, because nothing is trained."""


def _no_optimizer(parameters: Iterable[Any]) -> Optimizer:
    raise UserError("a frozen network has no optimizer")
