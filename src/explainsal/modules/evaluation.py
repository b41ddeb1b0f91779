"""Scoring: several models on the same images in one pass, one table row per image and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
from lightning import LightningModule
from torch import Tensor, nn

from explainsal.data.sample import SaliencyBatch
from explainsal.metrics import SaliencyMetrics


class EvaluationModule(LightningModule):
    """The test loop of every evaluation.

    Args:
        models: Name -> module that maps images ``(B, 3, H, W)`` in [0, 1] or uint8 to maps ``(B, 1, H, W)``.
        new_metrics: Makes an empty `SaliencyMetrics`; called once per model, and for what callbacks score.
    """

    def __init__(self, models: Mapping[str, nn.Module], new_metrics: Callable[[], SaliencyMetrics]) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)
        self.new_metrics = new_metrics
        self.scores = nn.ModuleDict({name: new_metrics() for name in models})
        self._ids: dict[int, str] = {}

    def test_step(self, batch: SaliencyBatch, batch_idx: int) -> dict[str, Tensor]:
        """Score every model; returns the maps ``(B, 1, H, W)`` by model name, for callbacks."""
        self._ids.update(zip(batch.index.tolist(), batch.ids, strict=True))
        maps = {name: model(batch.images).float() for name, model in self.models.items()}
        for name in maps:
            self.score(name, maps[name], batch)
        return maps

    def score(self, name: str, maps: Tensor, batch: SaliencyBatch) -> None:
        """Add maps ``(B, 1, H, W)`` at native size to the table of `name`, which may be new."""
        if name not in self.scores:
            self.scores[name] = self.new_metrics().to(self.device)
        self.scores[name].update(maps.squeeze(1), fixations=batch.fixations, density=batch.density, index=batch.index)

    def per_image(self) -> pd.DataFrame:
        """One row per model and image: model, id, index, then the metrics."""
        tables = []
        for name, metrics in self.scores.items():
            table = metrics.per_image()
            table.insert(0, "model", name)
            table.insert(1, "id", [self._ids.get(index, "") for index in table["index"]])
            tables.append(table)
        return pd.concat(tables, ignore_index=True)
