"""Training of a saliency network: loss on the network's own grid, validation metrics at the size of the stimuli."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.metrics import SaliencyMetrics
from explainsal.models import SaliencyModel
from explainsal.models.saliency_model import RECORD, TRAINED_HERE, put_channels_last
from explainsal.modules.schedules import follow_optimizer, follow_options

log = logging.getLogger(__name__)

VALIDATION_METRICS = ("cc", "sim", "nss", "kld")  # the fast metrics; `evaluate` computes all


class SaliencyModule(LightningModule):
    """A `SaliencyModel` with its training recipe.

    Args:
        model: Network with its preprocessing.
        loss: Function of ``functional.losses``: predicted maps and target densities ``(B, 1, H, W)`` to a scalar.
        optimizer: Called with the parameters to train.
        scheduler: Called with the optimizer; stepped once per epoch. None keeps the learning rate.
        profile: Metric profile of the validation metrics.
        channels_last: Whether weights use the channels-last memory format; faster on a CPU, especially in bfloat16.

    Raises:
        UserError: If the loss takes a different number of tensors than this module passes, or no optimizer is given.
    """

    loss_takes: tuple[str, ...] = ("predicted maps", "target densities")

    def __init__(
        self,
        model: SaliencyModel,
        loss: Callable[..., Tensor],
        optimizer: Callable[[Iterable[Any]], Optimizer],
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        profile: str = "tuebingen",
        *,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.model: SaliencyModel = model
        if channels_last:
            put_channels_last(model)
        check_loss(loss, self.loss_takes)
        if optimizer is None:
            raise UserError("a training needs an optimizer: to train nothing, choose module=frozen")
        self.loss = loss
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.validation_metrics = SaliencyMetrics(profile=profile, names=VALIDATION_METRICS)

    def forward(self, images: Tensor) -> Tensor:
        """Return saliency maps ``(B, 1, H, W)`` of stimuli ``(B, 3, H, W)``."""
        return self.model(images)

    def maps(self, batch: SaliencyBatch) -> Tensor:
        """Return maps ``(B, 1, H, W)`` at the size of the stimuli, for the validation metrics."""
        return self.model(batch.images)

    def batch_loss(self, batch: SaliencyBatch) -> Tensor:
        """Return the loss of a batch, a scalar.

        Raises:
            UserError: If the data set lacks the required ground truth.
        """
        if batch.density is None:
            raise UserError("this data set has no fixation densities, so a network cannot be trained on it")
        preds = self.model.as_maps(self.model.run(self.model.preprocess(batch.images))).float()
        density = batch.density.values.float().unsqueeze(1)
        target = self.model.preprocess_density(density, (preds.shape[-2], preds.shape[-1]))
        return self.loss(preds, target)

    def on_train_start(self) -> None:
        """Mark the weights as those of this training, unless the network is frozen.

        A resumed training follows its current options, e.g. another number of epochs or another learning rate.
        """
        if any(parameter.requires_grad for parameter in self.parameters()):
            self.model.weights = TRAINED_HERE
        changed = self._follow_optimizer()
        for config in self.trainer.lr_scheduler_configs:
            if self.scheduler is not None and follow_options(config.scheduler, self.scheduler) and not changed:
                changed = ["the learning-rate schedule"]
        if changed:
            log.warning(
                "the checkpoint was made with other options (%s); the current options apply from here on",
                ", ".join(changed),
            )

    def _follow_optimizer(self) -> list[str]:
        made = self.configure_optimizers()
        fresh = made["optimizer"] if isinstance(made, dict) else made
        return [] if fresh is None else follow_optimizer(self.trainer.optimizers[0], fresh)

    def training_step(self, batch: SaliencyBatch, batch_idx: int) -> Tensor:
        """Take one step; raise a UserError that names the images if the loss is not finite."""
        loss = self.batch_loss(batch)
        if not torch.isfinite(loss):
            raise UserError(
                f"the loss became {loss.item()} at step {self.global_step} on the images {', '.join(batch.ids)}. "
                "The weights of the last checkpoint are kept. Look at these images and their densities, "
                "or train with a smaller learning rate (lr) or with clipped gradients (gradient_clip_val)."
            )
        self.log("train/loss_step", loss, prog_bar=True, batch_size=len(batch))
        self.log("train/loss", loss, on_step=False, on_epoch=True, batch_size=len(batch))
        return loss

    def validation_step(self, batch: SaliencyBatch, batch_idx: int) -> None:
        """Log the loss on the network's grid, and update the metrics at native size."""
        self.log("val/loss", self.batch_loss(batch), prog_bar=True, batch_size=len(batch), sync_dist=True)
        maps = self.maps(batch)
        self.validation_metrics.update(
            maps.squeeze(1), fixations=batch.fixations, density=batch.density, index=batch.index
        )

    def on_validation_epoch_end(self) -> None:
        """Log each metric's mean over the images; every image counts once."""
        for name, value in self.validation_metrics.compute().items():
            self.log(f"val/{name}", value, prog_bar=name == "cc", rank_zero_only=False, sync_dist=False)
        self.validation_metrics.reset()

    def configure_optimizers(self) -> Any:
        """Return the optimizer over all parameters with gradients, and the scheduler, if any."""
        return self.with_scheduler(self.optimizer([p for p in self.parameters() if p.requires_grad]))

    def with_scheduler(self, optimizer: Optimizer) -> Any:
        """Return an optimizer with its schedule, in Lightning's format."""
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "epoch"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the network's description; `load_model` rebuilds the network from it without a config."""
        checkpoint[RECORD] = self.model.record()


def check_loss(loss: Callable[..., Tensor], given: Sequence[str]) -> None:
    """Raise a UserError if a loss takes a different number of tensors than a training passes.

    Args:
        loss: Any callable, including a `functools.partial`.
        given: Names of the tensors that the training passes.
    """
    parameters = inspect.signature(loss).parameters.values()
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    needed = [p.name for p in places if p.default is p.empty]
    variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if len(needed) > len(given) or (len(places) < len(given) and not variadic):
        name = getattr(getattr(loss, "func", loss), "__name__", type(loss).__name__)
        raise UserError(
            f"the loss {name} takes {len(needed)} tensors ({', '.join(needed)}), and this module gives "
            f"{len(given)}: {', '.join(given)}. Choose another module/loss=..., or the module that this loss belongs to"
        )
