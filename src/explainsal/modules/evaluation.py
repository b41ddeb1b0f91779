"""Evaluation of several models in one pass over the images, with one table row per image and model."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import pandas as pd
import torch
from lightning import LightningModule
from torch import Tensor, nn

from explainsal.classical.gold_standard import GOLD_STANDARD, GoldStandard
from explainsal.data.sample import SaliencyBatch
from explainsal.functional.metrics import cc, kl_div, sim
from explainsal.functional.outputs import check_finite, one_map, taking_rgb
from explainsal.metrics import SaliencyMetrics
from explainsal.metrics.per_image import PerImageTable
from explainsal.types import DensityMap

log = logging.getLogger(__name__)


class DeepAgreement(PerImageTable):
    """Agreement of explainable maps with deep maps: CC of the unclamped map, SIM and KLD of the map clamped at 0."""

    def __init__(self) -> None:
        super().__init__(["cc_to_deep", "sim_to_deep", "kld_to_deep"])

    def update(self, maps: Tensor, deep: Tensor, index: Tensor) -> None:
        """Add explainable and deep maps ``(B, H, W)`` of the images at the given positions in the data set."""
        target, density = DensityMap(deep), maps.clamp(min=0)
        values = {"cc": cc(maps, target), "sim": sim(density, target), "kld": kl_div(density, target)}
        self.append(index, {f"{name}_to_deep": value for name, value in values.items()})


class EvaluationModule(LightningModule):
    """Test loop of all evaluations.

    Args:
        models: Name -> module that maps images ``(B, 3, H, W)`` in [0, 1] or uint8 to maps ``(B, 1, H, W)``. The
            network to explain has the name ``deep``. A module with the attribute `needs_index` also receives the
            images' positions in the data set.
        new_metrics: Builds an empty `SaliencyMetrics`; called once per model.
        explainable: Names of explainable maps that callbacks pass to `score_explainable`. Every process must have all
            names, also those whose maps it never processes, because tables are gathered collectively.
        postprocessing: Name -> postprocessing of that model's maps before scoring.
        gold_standard: Scored as the model ``gold_standard``: each observer's fixations predicted from the others'.
        by_profile: Profile -> function that builds an empty `SaliencyMetrics`; the same maps are scored by each
            profile.
    """

    def __init__(
        self,
        models: Mapping[str, nn.Module],
        new_metrics: Callable[[], SaliencyMetrics],
        explainable: Sequence[str] = (),
        postprocessing: Mapping[str, nn.Module] | None = None,
        gold_standard: GoldStandard | None = None,
        by_profile: Mapping[str, Callable[[], SaliencyMetrics]] | None = None,
    ) -> None:
        super().__init__()
        self.models = nn.ModuleDict(models)
        self.constant, self.scored = Counter[str](), Counter[str]()  # number of maps per model in this process
        self.postprocessing = nn.ModuleDict(postprocessing or {})
        self.gold_standard = gold_standard
        scored = (*models, *explainable, *((GOLD_STANDARD,) if gold_standard is not None else ()))
        self.scores = nn.ModuleDict({name: new_metrics() for name in scored})
        self.to_deep = nn.ModuleDict({name: DeepAgreement() for name in explainable})
        self.by_profile = nn.ModuleDict(
            {
                profile: nn.ModuleDict({name: new() for name in (*models, *explainable)})
                for profile, new in (by_profile or {}).items()
            }
        )

    def test_step(self, batch: SaliencyBatch, batch_idx: int) -> dict[str, Tensor]:
        """Score every model; return the maps ``(B, 1, H, W)`` by name, for callbacks."""
        maps = {name: self.maps(name, batch.images, batch.index) for name in self.models}
        for name in maps:
            check_finite(maps[name], batch.ids, self._title(name))
            self._score(name, maps[name], batch)
        if self.gold_standard is not None:
            for index in batch.index.tolist():
                self._score_observers(self.gold_standard, index)
        return maps

    def maps(self, name: str, images: Tensor, index: Tensor) -> Tensor:
        """Predict the maps ``(B, 1, H, W)`` of a model as they are scored.

        Args:
            images: Shape ``(B, 3, H, W)``.
            index: Shape ``(B,)``, positions in the data set.

        Raises:
            ModelError: If the model does not accept RGB images, or does not return one map per image.
        """
        model = self.models[name]
        with taking_rgb(self._title(name)):
            output = model(images, index) if getattr(model, "needs_index", False) else model(images)
        maps = one_map(output, len(images), self._title(name))
        maps = maps if maps.dtype == torch.float64 else maps.float()
        return self.postprocessing[name](maps) if name in self.postprocessing else maps

    def score_explainable(self, name: str, maps: Tensor, deep: Tensor, batch: SaliencyBatch) -> None:
        """Score explainable maps ``(B, 1, H, W)`` at native size against the ground truth and the deep maps.

        Explainable maps can be signed. As a saliency model they are clamped at 0 for every metric. Their fidelity to
        the deep map (``cc_to_deep``) is measured on the unclamped map.
        """
        self._score(name, maps.clamp(min=0), batch)
        cast(DeepAgreement, self.to_deep[name]).update(maps.squeeze(1), deep.squeeze(1), batch.index)

    def _title(self, name: str) -> str:
        """Return the name of a model in messages; a network has its own name."""
        return str(getattr(self.models[name], "name", name))

    def _score(self, name: str, maps: Tensor, batch: SaliencyBatch) -> None:
        self.constant[name] += int((maps.amin((-2, -1)) == maps.amax((-2, -1))).sum())
        self.scored[name] += len(maps)
        others = [cast(nn.ModuleDict, tables)[name] for tables in self.by_profile.values()]
        for metrics in (self.scores[name], *others):
            cast(SaliencyMetrics, metrics).update(
                maps.squeeze(1), fixations=batch.fixations, density=batch.density, index=batch.index
            )

    def on_test_epoch_end(self) -> None:
        """Log a warning if maps of the evaluated model, or of explanations, are constant."""
        first = list(self.models)[:1]  # none if only the gold standard is scored; stored maps are checked on loading
        own = [name for name in first if not getattr(self.models[name], "needs_index", False)]
        for name in (*own, *self.to_deep):
            if self.constant[name]:
                title = self._title(name) if name in self.models else name
                log.warning(
                    "%s: %d of %d maps are constant: they score at chance level, or are ignored if the metric "
                    "profile excludes constant maps",
                    *(title, self.constant[name], self.scored[name]),
                )

    def _score_observers(self, gold_standard: GoldStandard, index: int) -> None:
        """Add an image's mean score over its fixations, each scored on the map of the other observers.

        Metrics against a density are undefined, because the density includes the predicted observers.
        """
        metrics = cast(SaliencyMetrics, self.scores[GOLD_STANDARD])
        densities, fixations = gold_standard.of_image(index)
        people = torch.full((len(densities),), index, dtype=torch.int64)
        values = metrics.scores(densities, fixations, index=people) if len(densities) else {}
        weights = fixations.per_image().double()
        undefined = torch.tensor(torch.nan, dtype=torch.float64)
        means = {name: (v * weights).sum() / weights.sum() for name, v in values.items()}
        metrics.append(people.new_tensor([index]), {name: means.get(name, undefined)[None] for name in metrics.columns})

    def per_image(self) -> pd.DataFrame:
        """Return one row per model and image: model, index, the metrics. This is a collective call of all processes."""
        tables = []
        for name, metrics in self.scores.items():
            table = cast(SaliencyMetrics, metrics).per_image()
            if name in self.to_deep:
                table = table.merge(cast(DeepAgreement, self.to_deep[name]).per_image(), on="index")
            table.insert(0, "model", name)
            tables.append(table)
        return pd.concat([table for table in tables if len(table)], ignore_index=True)

    def per_image_by_profile(self) -> pd.DataFrame:
        """Return the rows of the additional profiles, with a first column `profile`; empty without such profiles."""
        tables = []
        for profile, models in self.by_profile.items():
            for name, metrics in cast(nn.ModuleDict, models).items():
                table = cast(SaliencyMetrics, metrics).per_image()
                table.insert(0, "model", name)
                table.insert(0, "profile", profile)
                tables.append(table)
        return pd.concat([table for table in tables if len(table)], ignore_index=True) if tables else pd.DataFrame()
