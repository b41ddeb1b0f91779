"""Scoring: several models on the same images in one pass, one table row per image and model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pandas as pd
from lightning import LightningModule
from torch import Tensor, nn

from explainsal.data.sample import SaliencyBatch
from explainsal.functional.metrics import cc, kl_div, sim
from explainsal.functional.types import DensityMap
from explainsal.metrics import SaliencyMetrics
from explainsal.metrics.table import PerImageTable

DEEP = "deep"  # the network that is evaluated; the other models are measured beside it


class DeepAgreement(PerImageTable):
    """How much of the deep map an explainable map keeps: CC of the map as it came, SIM and KLD of it clamped at 0."""

    def __init__(self) -> None:
        super().__init__(["cc_to_deep", "sim_to_deep", "kld_to_deep"])

    def update(self, maps: Tensor, deep: Tensor, index: Tensor) -> None:
        """Add explainable and deep maps ``(B, H, W)`` of the images at these positions of the data set."""
        target, density = DensityMap(deep), maps.clamp(min=0)
        values = {"cc": cc(maps, target), "sim": sim(density, target), "kld": kl_div(density, target)}
        self.append(index, {f"{name}_to_deep": value for name, value in values.items()})


class EvaluationModule(LightningModule):
    """The test loop of every evaluation.

    Args:
        models: Name -> module that maps images ``(B, 3, H, W)`` in [0, 1] or uint8 to maps ``(B, 1, H, W)``; one is
            called ``deep``.
        new_metrics: Makes an empty `SaliencyMetrics`; called once per model.
        explainable: Names under which callbacks will `score_explainable` maps. Every process has to know them, those
            that never see such a map too: tables are gathered together.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        new_metrics: Callable[[], SaliencyMetrics],
        explainable: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)
        self.scores = nn.ModuleDict({name: new_metrics() for name in (*models, *explainable)})
        self.to_deep = nn.ModuleDict({name: DeepAgreement() for name in explainable})

    def test_step(self, batch: SaliencyBatch, batch_idx: int) -> dict[str, Tensor]:
        """Score every model; returns their maps ``(B, 1, H, W)`` by name, for callbacks."""
        maps = {name: model(batch.images).float() for name, model in self.models.items()}
        for name in maps:
            self._score(name, maps[name], batch)
        return maps

    def score_explainable(self, name: str, maps: Tensor, deep: Tensor, batch: SaliencyBatch) -> None:
        """Score explainable maps ``(B, 1, H, W)`` at native size, against the ground truth and against the deep maps.

        Explainable maps can be signed. As a saliency model they are clamped at 0, one and the same map for every
        metric; their fidelity to the deep map (``cc_to_deep``) is that of the map as it came.
        """
        self._score(name, maps.clamp(min=0), batch)
        cast(DeepAgreement, self.to_deep[name]).update(maps.squeeze(1), deep.squeeze(1), batch.index)

    def _score(self, name: str, maps: Tensor, batch: SaliencyBatch) -> None:
        metrics = cast(SaliencyMetrics, self.scores[name])
        metrics.update(maps.squeeze(1), fixations=batch.fixations, density=batch.density, index=batch.index)

    def per_image(self) -> pd.DataFrame:
        """One row per model and image: model, index, the metrics. Every process has to call it."""
        tables = []
        for name, metrics in self.scores.items():
            table = cast(SaliencyMetrics, metrics).per_image()
            if name in self.to_deep:
                table = table.merge(cast(DeepAgreement, self.to_deep[name]).per_image(), on="index")
            table.insert(0, "model", name)
            tables.append(table)
        return pd.concat([table for table in tables if len(table)], ignore_index=True)
