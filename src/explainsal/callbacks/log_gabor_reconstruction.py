"""Callback that explains images in Lightning's validation or test loop."""

from __future__ import annotations

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import nn

from explainsal.data.sample import SaliencyBatch
from explainsal.explanation.run import ExplanationRun
from explainsal.models.saliency_model import DEEP
from explainsal.modules.evaluation import EvaluationModule
from explainsal.processes import gather
from explainsal.types import DensityMap, FixationBatch


class LogGaborReconstruction(Callback):
    """Pass the images of a loop to an `ExplanationRun` on the model's device, and save it at the end of the loop.

    In an `EvaluationModule` the explainable maps are scored as the model ``explainable/<preset>``. In training the
    means over the images are logged as ``val/explainable_<preset>_cc_to_deep`` and, with ground truth, ``..._cc``.

    Args:
        run: The run, which explains, collects and writes.
    """

    def __init__(self, run: ExplanationRun) -> None:
        self.run = run

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the run."""
        self.run.reset()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Explain the batch."""
        if not trainer.sanity_checking:
            self._explain(pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the tables and log the means."""
        if trainer.sanity_checking:
            return
        self._save(trainer)
        for key in ("cc_to_deep", "cc"):
            values = [row[key] for row in self.run.rows if key in row]
            if values:
                pl_module.log(f"val/explainable_{self.run.preset}_{key}", sum(values) / len(values))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Reset the run."""
        self.run.reset()

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Explain the batch; an `EvaluationModule` also scores it."""
        self._explain(pl_module, batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the tables."""
        self._save(trainer)

    def _explain(self, pl_module: LightningModule, batch: SaliencyBatch) -> None:
        for part, explanation in self.run.explain_batch(_network(pl_module), batch.images, batch.index):
            mine = _slice(batch, part.start, part.stop)
            self.run.add(explanation, mine.ids, index=mine.index, density=mine.density)
            if isinstance(pl_module, EvaluationModule):
                maps = explanation.explainable_map, explanation.saliency_map
                pl_module.score_explainable(self.run.name, *maps, mine)

    def _save(self, trainer: Trainer) -> None:
        """Gather the explanations of all processes; the first process saves them. This is a collective call."""
        if trainer.world_size > 1:
            self.run.merge(gather(self.run.collected))
        if trainer.is_global_zero:
            self.run.save()


def _network(pl_module: LightningModule) -> nn.Module:
    """Return the saliency model inside a module of this project."""
    if isinstance(pl_module, EvaluationModule):
        return pl_module.models[DEEP]
    model = getattr(pl_module, "model", None)
    if isinstance(model, nn.Module):
        return model
    raise TypeError(f"{type(pl_module).__name__} has no .model: LogGaborReconstruction has no network to explain")


def _slice(batch: SaliencyBatch, start: int, stop: int) -> SaliencyBatch:
    """Return a contiguous part of a batch."""
    fixations = batch.fixations
    if fixations is not None:
        mine = (fixations.image >= start) & (fixations.image < stop)
        fixations = FixationBatch(fixations.x[mine], fixations.y[mine], fixations.image[mine] - start, stop - start)
    density = None if batch.density is None else DensityMap(batch.density.values[start:stop])
    return SaliencyBatch(batch.ids[start:stop], batch.index[start:stop], batch.images[start:stop], fixations, density)
