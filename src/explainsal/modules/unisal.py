"""UNISAL's own training: loss at the size of the stimuli, a temporarily frozen, slow encoder, single-domain batches."""

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
    """UNISAL with its recipe; docs/decisions/0015 lists what it reproduces of the published training.

    Every batch belongs to one domain, `SaliencyBatch.domain` or the model's own, and trains only the modules of that
    domain. Modules of other domains get no gradient, so weight decay and momentum do not change them.

    Args:
        model: ``explainsal.models.unisal.build``.
        loss: ``kl_div_nss_cc`` of ``functional.losses``.
        optimizer: Called with two groups of parameters, ``decoder`` and ``encoder``; `encoder_rate` and
            `encoder_decay` then modify the second group.
        scheduler: Called with the optimizer; stepped once per epoch. None keeps the learning rates.
        profile: Metric profile of the validation metrics.
        encoder_rate: Learning rate of the encoder, as a fraction of the decoder's.
        encoder_decay: Weight decay of the encoder.
        frozen_epochs: Number of initial epochs in which the encoder is frozen.

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
        """The model, typed as `UNISALModel`."""
        return cast(UNISALModel, self.model)

    @property
    def encoder(self) -> nn.Module:
        """Encoder, a MobileNetV2."""
        return self.network.net.get_submodule("cnn")

    def train(self, mode: bool = True) -> UNISALModule:
        """Set training mode for all but the encoder, whose batch normalization keeps the statistics of ImageNet."""
        super().train(mode)
        self.encoder.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Freeze or unfreeze the encoder according to the epoch, also after resuming."""
        self.train()
        self.encoder.requires_grad_(self.current_epoch >= self.frozen_epochs)

    def configure_optimizers(self) -> Any:
        """Return the optimizer with two groups of parameters, each with its learning rate and weight decay."""
        encoder = list(self.encoder.parameters())
        of_encoder = set(encoder)
        decoder = [p for p in self.network.parameters() if p not in of_encoder]
        optimizer = self.optimizer(
            [{"params": decoder, "name": "decoder"}, {"params": encoder, "name": "encoder"}]
        )  # fmt: skip
        slow = optimizer.param_groups[1]
        slow.update(lr=slow["lr"] * self.encoder_rate, weight_decay=self.encoder_decay)
        return self.with_scheduler(optimizer)

    def maps(self, batch: SaliencyBatch) -> Tensor:
        """Return predicted densities at the size of the stimuli."""
        return self.network.log_density(batch.images, domain=batch.domain).exp()

    def batch_loss(self, batch: SaliencyBatch) -> Tensor:
        """Return the loss at the size of the stimuli, where fixations keep their exact positions."""
        if batch.density is None or batch.fixations is None:
            raise UserError("UNISAL's loss needs fixations and their densities; this data set lacks one of them")
        log_density = self.network.log_density(batch.images, domain=batch.domain)
        size = (int(log_density.shape[-2]), int(log_density.shape[-1]))
        fixated = FixationMap.from_fixations(batch.fixations, size).counts > 0
        target = batch.density.values.to(log_density).unsqueeze(1)
        return self.loss(log_density, target, fixated.unsqueeze(1)).to(torch.float32)
