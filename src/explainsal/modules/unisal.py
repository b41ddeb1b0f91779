"""UNISAL's own training: its loss at the size of the stimuli, a frozen, then slow encoder, batches of one domain."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.models.saliency_model import SaliencyModel
from explainsal.models.unisal import UNISALModel
from explainsal.modules.saliency import SaliencyModule
from explainsal.types import FixationMap


class UNISALModule(SaliencyModule):
    """UNISAL with its recipe; docs/decisions/0015 says what of the published training it repeats.

    Every batch is of one domain, `SaliencyBatch.domain` or the model's own, and teaches only what that domain uses:
    the parts of other domains get no gradient, so that weight decay and momentum leave them as they are.

    Args:
        model: ``explainsal.models.unisal.build``.
        loss: ``kl_div_nss_cc`` of ``functional.losses``.
        optimizer: Called with two groups of parameters, ``decoder`` and ``encoder``; `encoder_rate` and
            `encoder_decay` then change the second.
        scheduler: Called with the optimizer; stepped once per epoch. None keeps the rates.
        profile: Metric profile of the validation metrics.
        encoder_rate: The encoder's learning rate as a part of the decoder's.
        encoder_decay: The encoder's weight decay.
        frozen_epochs: Epochs at the beginning in which the encoder stays as it is.

    Raises:
        UserError: If the model is another network, or the loss takes other tensors.
    """

    loss_takes = ("log-densities", "target densities", "fixated pixels")

    def __init__(
        self,
        model: SaliencyModel,
        loss: Callable[[Tensor, Tensor, Tensor], Tensor],
        optimizer: Callable[[Iterable[Any]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        profile: str = "tuebingen",
        *,
        encoder_rate: float = 0.1,
        encoder_decay: float = 1e-5,
        frozen_epochs: int = 2,
    ) -> None:
        if not isinstance(model, UNISALModel):
            raise UserError(f"module=unisal trains model=unisal, not {model.name}: leave it out, or choose that model")
        super().__init__(model, loss, optimizer, scheduler, profile)
        self.encoder_rate, self.encoder_decay, self.frozen_epochs = encoder_rate, encoder_decay, frozen_epochs

    @property
    def network(self) -> UNISALModel:
        """The model, under its own type."""
        return cast(UNISALModel, self.model)

    @property
    def encoder(self) -> nn.Module:
        """MobileNetV2."""
        return self.network.net.get_submodule("cnn")

    def train(self, mode: bool = True) -> UNISALModule:
        """Training mode for all but the encoder, whose batch normalisation keeps the statistics of ImageNet."""
        super().train(mode)
        self.encoder.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Freeze or free the encoder, as the epoch asks for; also after a resumption."""
        self.train()
        self.encoder.requires_grad_(self.current_epoch >= self.frozen_epochs)

    def configure_optimizers(self) -> Any:
        """Two groups of parameters, each with its rate and its weight decay."""
        encoder = list(self.encoder.parameters())
        inside = set(encoder)
        decoder = [p for p in self.network.parameters() if p not in inside]
        optimizer = self.optimizer(
            [{"params": decoder, "name": "decoder"}, {"params": encoder, "name": "encoder"}]
        )  # fmt: skip
        slow = optimizer.param_groups[1]
        slow.update(lr=slow["lr"] * self.encoder_rate, weight_decay=self.encoder_decay)
        return self.with_scheduler(optimizer)

    def maps(self, batch: SaliencyBatch) -> Tensor:
        """Predicted densities at the size of the stimuli."""
        return self.network.log_density(batch.images, domain=batch.domain).exp()

    def batch_loss(self, batch: SaliencyBatch) -> Tensor:
        """The loss at the size of the stimuli, where fixations are what they were."""
        if batch.density is None or batch.fixations is None:
            raise UserError("UNISAL's loss compares with fixations and with their densities: this data set lacks one")
        log_density = self.network.log_density(batch.images, domain=batch.domain)
        size = (int(log_density.shape[-2]), int(log_density.shape[-1]))
        fixated = FixationMap.from_fixations(batch.fixations, size).counts > 0
        target = batch.density.values.to(log_density).unsqueeze(1)
        return self.loss(log_density, target, fixated.unsqueeze(1)).to(torch.float32)
