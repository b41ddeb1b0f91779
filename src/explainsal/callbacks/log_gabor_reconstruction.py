"""Explains a network inside Lightning's validation or test loop."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, nn

from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.explanation import Explainer, Explanation
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.nulls import null_explainer
from explainsal.explanation.presets import resolve_options
from explainsal.explanation.tables import Tables
from explainsal.modules.evaluation import DEEP, EvaluationModule
from explainsal.types import DensityMap, FixationBatch

_KEPT_MAPS = 32  # at 800 x 600 these are 60 MB


class LogGaborReconstruction(Callback):
    """Rebuild every layer for images of the loop, on the model's device, and keep what the report needs.

    Writes ``layers.csv``, ``coefficients.parquet`` and ``maps.npz`` to `folder` at the end of the loop. In an
    `EvaluationModule` the explainable maps are scored as the model ``explainable/<preset>``; in training the means over
    the images are logged as ``val/explainable_<preset>_cc_to_deep`` and, with ground truth, ``..._cc``.

    Args:
        preset: ``"paper"``, ``"normalized"`` or ``"sparse"``.
        folder: Where the tables go, e.g. ``<run>/explanation/<preset>``.
        limit: Explain only the first so many images of the data set, in whichever process they are; None: all.
        batch_size: Images explained at a time.
        table_images: Images whose coefficients are written; every image is in ``layers.csv``.
        map_images: Images of which a few maps per layer are written.
        maps_per_layer: How many.
        options: Single options of the :class:`~explainsal.explanation.Explainer` that differ from the preset's.
        null: One of `explainsal.explanation.nulls.NULLS`: that null model of the explanation in its place.
        seed: Of the null model.

    Raises:
        UserError: If the preset, an option or a value is unknown: at once, before any network is made.
    """

    def __init__(
        self,
        preset: str,
        folder: str | Path,
        *,
        limit: int | None = None,
        batch_size: int = 4,
        table_images: int = 8,
        map_images: int = 3,
        maps_per_layer: int = 3,
        options: Mapping[str, Any] | None = None,
        null: str | None = None,
        seed: int = 0,
    ) -> None:
        self.null, self.seed = null, seed
        self.preset, self.folder, self.options = preset, Path(folder), dict(options or {})
        try:
            resolve_options(self.preset, **self.options)
        except ValueError as error:
            raise UserError(str(error)) from None
        self.limit = math.inf if limit is None else limit
        self.batch_size, self.table_images, self.map_images = batch_size, table_images, map_images
        self.maps_per_layer = maps_per_layer
        self._explainer: Explainer | None = None
        self._model: nn.Module | None = None
        self._reset()

    @property
    def name(self) -> str:
        """Of the explainable model in tables."""
        return f"explainable/{self.preset}" if self.null is None else f"{self.null}/{self.preset}"

    def explain(
        self,
        model: nn.Module,
        images: Tensor,
        *,
        keep_maps: bool | int = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Explanation:
        """Explain images with this callback's preset and options, in any loop or none."""
        return self.explainer(model)(images, keep_maps=keep_maps, progress=progress)

    def explainer(self, model: nn.Module) -> Explainer:
        """The explainer of a model with this preset and these options; the same one while the model is the same."""
        if self._explainer is None or self._model is not model:
            explainer = Explainer(model, self.preset, **self.options)
            null = None if self.null is None else null_explainer(explainer, self.null, seed=self.seed)
            self._explainer, self._model = null or explainer, model
        return self._explainer

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._reset()

    def on_validation_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Explain the batch."""
        if not trainer.sanity_checking:
            self._follow(trainer, pl_module, batch)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the tables and log the means."""
        if trainer.sanity_checking:
            return
        self._write(trainer)
        for key in ("cc_to_deep", "cc"):
            values = [row[key] for row in self.rows if key in row]
            if values:
                pl_module.log(f"val/explainable_{self.preset}_{key}", sum(values) / len(values))

    def on_test_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start anew."""
        self._reset()

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Explain the batch, and have it scored where the module keeps scores."""
        self._follow(trainer, pl_module, batch)

    def on_test_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the tables."""
        self._write(trainer)

    def _reset(self) -> None:
        self._seen = 0
        self._tables = Tables()
        self.rows: list[dict[str, Any]] = []  # how faithful each explanation is, see `fidelity_rows`
        self.maps: dict[int, Tensor] = {}  # data-set index -> explainable map (H, W), for pictures of the first images

    def _follow(self, trainer: Trainer, pl_module: LightningModule, batch: SaliencyBatch) -> None:
        stop = int((batch.index < self.limit).long().cumprod(0).sum())  # the leading images below the limit
        for start in range(0, stop, self.batch_size):
            part = _slice(batch, start, min(start + self.batch_size, stop))
            keep = self.maps_per_layer if self._seen < self.map_images else False
            explanation = self.explain(_network(pl_module), part.images, keep_maps=keep)
            self._note(explanation, part)
            if isinstance(pl_module, EvaluationModule):
                pl_module.score_explainable(self.name, explanation.explainable_map, explanation.saliency_map, part)

    def _note(self, explanation: Explanation, batch: SaliencyBatch) -> None:
        self.rows += fidelity_rows(explanation, batch.ids, density=batch.density)
        if len(self.maps) < _KEPT_MAPS:
            self.maps |= dict(zip(batch.index.tolist(), explanation.explainable_map.squeeze(1).cpu(), strict=True))
        self._tables.add(explanation, batch.ids, coefficients=self._seen < self.table_images)
        self._seen += len(batch)

    def _write(self, trainer: Trainer) -> None:
        """Gather what all processes saw, and let the first one write it. Every process has to call this."""
        if trainer.world_size > 1:
            parts: list[Any] = [None] * trainer.world_size
            torch.distributed.all_gather_object(parts, (self._tables, self.rows))
            self._tables = Tables.merged([tables for tables, _ in parts])
            self.rows = [row for _, rows in parts for row in rows]
        if trainer.is_global_zero and len(self._tables):
            self._tables.save(self.folder)


def _network(pl_module: LightningModule) -> nn.Module:
    """The saliency model inside a module of this project."""
    if isinstance(pl_module, EvaluationModule):
        return pl_module.models[DEEP]
    model = getattr(pl_module, "model", None)
    if isinstance(model, nn.Module):
        return model
    raise TypeError(f"{type(pl_module).__name__} has no .model: LogGaborReconstruction finds no network to explain")


def _slice(batch: SaliencyBatch, start: int, stop: int) -> SaliencyBatch:
    """Some images of a batch."""
    fixations = batch.fixations
    if fixations is not None:
        mine = (fixations.image >= start) & (fixations.image < stop)
        fixations = FixationBatch(fixations.x[mine], fixations.y[mine], fixations.image[mine] - start, stop - start)
    density = None if batch.density is None else DensityMap(batch.density.values[start:stop])
    return SaliencyBatch(batch.ids[start:stop], batch.index[start:stop], batch.images[start:stop], fixations, density)
