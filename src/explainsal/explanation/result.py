"""Result of an explanation: a batch as data, with its tables and files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from explainsal.explanation.layer import Coefficients, ExplainedBatch, LayerExplanation, join_batches
from explainsal.explanation.per_layer import coefficient_table, layer_table
from explainsal.explanation.storage import read_batch, save_explanation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Coefficients", "Explanation", "LayerExplanation"]


class Explanation(ExplainedBatch):
    """An explained batch, as an :class:`~explainsal.explanation.Explainer` returns it."""

    @classmethod
    def joined(cls, parts: Sequence[Explanation]) -> Explanation:
        """Join the explanations of one network's batches."""
        first = parts[0]
        if len(parts) == 1:
            return first
        return cls(
            torch.cat([part.saliency_map for part in parts]),
            torch.cat([part.explainable_map for part in parts]),
            tuple(join_batches(layers) for layers in zip(*(part.layers for part in parts), strict=True)),
            first.preset,
            first.options,
            first.description,
        )

    def to_dataframe(self, ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return one row per coefficient; see :func:`~explainsal.explanation.per_layer.coefficient_table`."""
        return coefficient_table(self, ids)

    def layer_dataframe(self, ids: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the fidelity per image and layer; see :func:`~explainsal.explanation.per_layer.layer_table`."""
        return layer_table(self, ids)

    def save(self, folder: str | Path, ids: Sequence[str] | None = None) -> Path:
        """Write the explanation to a folder; see :func:`~explainsal.explanation.storage.save_explanation`."""
        return save_explanation(self, folder, ids)

    @classmethod
    def load(cls, folder: str | Path) -> Explanation:
        """Read an explanation written by :meth:`save`; see :func:`~explainsal.explanation.storage.read_batch`."""
        return cls(**read_batch(folder))
