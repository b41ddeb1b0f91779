"""Explanations of a run with one preset: computed image by image in any loop, and written as tables at the end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from torch import Tensor, nn

from explainsal.errors import UserError
from explainsal.explanation.explainer import Explainer
from explainsal.explanation.fidelity import fidelity_rows
from explainsal.explanation.nulls import null_explainer
from explainsal.explanation.per_layer import Tables
from explainsal.explanation.presets import resolve_options
from explainsal.explanation.result import Explanation
from explainsal.types import DensityMap

Collected = tuple[Tables, list[dict[str, Any]], dict[int, Tensor]]
_KEPT_MAPS = 32  # at 800 x 600 these are 60 MB


class ExplanationRun:
    """Explains the images of a run and collects the data for its report.

    Args:
        preset: ``"paper"``, ``"normalized"`` or ``"sparse"``.
        folder: Output folder of :meth:`save`, e.g. ``<run>/explanation/<preset>``.
        limit: Number of images to explain, from the first of the data set; None: all.
        batch_size: Number of images explained together.
        table_images: Number of images whose coefficients are written; every image is in ``layers.csv``.
        map_images: Number of images for which a few maps per layer are written.
        maps_per_layer: Number of these maps per layer.
        options: Options of the :class:`~explainsal.explanation.Explainer` that differ from the preset.
        null: One of `explainsal.explanation.nulls.NULLS`, to run this null model instead of the explanation.
        seed: Seed of the null model.

    Raises:
        UserError: If the preset, an option or a value is unknown; raised before any network is built.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))
        >>> run = ExplanationRun("sparse", "outputs/mine")
        >>> explanation = run.explain(net, torch.rand(1, 3, 24, 32))
        >>> run.add(explanation, ["photo"])
        >>> [row["image"] for row in run.rows], len(run)
        (['photo'], 1)
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
        self.reset()

    def __len__(self) -> int:
        return self._explained

    @property
    def changes(self) -> dict[str, Any]:
        """Options that differ from the preset."""
        return {name: value for name, value in self.options.items() if value is not None}

    @property
    def name(self) -> str:
        """Name of the explainable model in tables."""
        return f"explainable/{self.preset}" if self.null is None else f"{self.null}/{self.preset}"

    def reset(self) -> None:
        """Discard all images."""
        self._explained = 0
        self._tables = Tables()
        self.rows: list[dict[str, Any]] = []  # fidelity of each explanation, see `fidelity_rows`
        self.maps: dict[int, Tensor] = {}  # data-set index -> explainable map (H, W), for pictures of the first images

    def explainer_for(self, model: nn.Module) -> Explainer:
        """Return the explainer of a model with this preset and these options; it is cached for the latest model."""
        if self._explainer is None or self._model is not model:
            explainer = Explainer(model, self.preset, **self.options)
            null = None if self.null is None else null_explainer(explainer, self.null, seed=self.seed)
            self._explainer, self._model = null or explainer, model
        return self._explainer

    def explain(
        self,
        model: nn.Module,
        images: Tensor,
        *,
        keep_maps: bool | int = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Explanation:
        """Explain images ``(B, 3, H, W)`` without adding them to the run's tables."""
        return self.explainer_for(model)(images, keep_maps=keep_maps, progress=progress)

    def explain_each(
        self,
        model: nn.Module,
        batches: Sequence[Tensor],
        *,
        keep_maps: bool | int = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Explanation]:
        """Explain batches of images of any sizes side by side, without adding them to the run's tables."""
        return self.explainer_for(model).explain_each(batches, keep_maps=keep_maps, progress=progress)

    def explain_batch(self, model: nn.Module, images: Tensor, index: Tensor) -> Iterator[tuple[slice, Explanation]]:
        """Explain the selected images of a batch in groups.

        Args:
            model: The network.
            images: Shape ``(B, 3, H, W)``.
            index: Shape ``(B,)``: positions in the data set. The first image at or above `limit` ends the batch.

        Yields:
            Slice of the batch, and the explanation of its images; for :meth:`add`.
        """
        stop = int((index < self.limit).long().cumprod(0).sum())
        for start in range(0, stop, self.batch_size):
            part = slice(start, min(start + self.batch_size, stop))
            keep = self.maps_per_layer if self._explained < self.map_images else False
            yield part, self.explain(model, images[part], keep_maps=keep)

    def add(
        self,
        explanation: Explanation,
        ids: Sequence[str],
        *,
        index: Tensor | None = None,
        density: DensityMap | None = None,
        coefficients: bool | None = None,
    ) -> None:
        """Add the tables of explained images.

        Args:
            explanation: Explanation of the images.
            ids: A name per image.
            index: Positions of the images in the data set; if given, the first maps are kept for figures.
            density: Fixation densities of the images, if known.
            coefficients: Whether to write their coefficients; None: only for the first `table_images`.
        """
        said = {"description": explanation.description} if explanation.description else {}
        self.rows += [row | said for row in fidelity_rows(explanation, ids, density=density)]
        if index is not None and len(self.maps) < _KEPT_MAPS:
            self.maps |= dict(zip(index.tolist(), explanation.explainable_map.squeeze(1).cpu(), strict=True))
        wanted = self._explained < self.table_images if coefficients is None else coefficients
        self._tables.add(explanation, ids, coefficients=wanted)
        self._explained += len(ids)

    @property
    def collected(self) -> Collected:
        """Tables and maps of this process, for :meth:`merge`."""
        return self._tables, self.rows, self.maps

    def merge(self, processes: Sequence[Collected]) -> None:
        """Replace the tables and maps of this process by those of all processes, given as :attr:`collected`."""
        self._tables = Tables.merged([tables for tables, _, _ in processes])
        self.rows = [row for _, rows, _ in processes for row in rows]
        self.maps = {index: values for _, _, maps in processes for index, values in maps.items()}

    def save(self) -> None:
        """Write the tables of all images to the folder, if any image was explained.

        ``fidelity.csv`` contains the fidelity of each explanation, ``layers.csv`` the same per layer;
        ``coefficients.parquet`` and ``maps.npz`` are described in `explainsal.explanation.per_layer`.
        """
        if len(self._tables):
            self._tables.save(self.folder)
            fidelity = pd.DataFrame(self.rows).drop_duplicates("image")  # a distributed sampler may repeat an image
            fidelity.to_csv(self.folder / "fidelity.csv", index=False)
