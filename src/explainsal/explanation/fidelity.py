"""Measure the fidelity of an explanation per image, together with its null models at the same configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from explainsal.explanation.explainer import Explainer
from explainsal.explanation.nulls import NULLS, null_explainer
from explainsal.explanation.result import Explanation
from explainsal.functional.metrics import cc, kl_div, sim
from explainsal.types import DensityMap

EXPLANATION = "explanation"  # name of the explanation itself among the variants


def fidelity_table(
    explainer: Explainer,
    images: Tensor,
    *,
    density: DensityMap | None = None,
    ids: Sequence[str] | None = None,
    nulls: Sequence[str] = NULLS,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure an explanation and its null models on the same images.

    Args:
        explainer: The explainer to measure.
        images: Shape ``(B, C, H, W)``.
        density: Fixation densities ``(B, H, W)`` at the size of the network's map, for ``cc``; None: omitted.
        ids: A name per image; default their positions.
        nulls: Names of null models; see :func:`~explainsal.explanation.nulls.null_explainer`.
        seed: Seed of the null models.

    Returns:
        One row per variant (``"explanation"``, then the null models) and image: variant, image, cc_to_deep,
        sim_to_deep, kld_to_deep (explainable map, clamped at 0 for the last two, against the network's own map),
        layer_correlation (mean over layers of the mean over live maps), weighted_layer_correlation (the same with
        the weights of the option ``output_weight``), cc (against the density).
    """
    variants = {EXPLANATION: explainer, **{null: null_explainer(explainer, null, seed=seed) for null in nulls}}
    names = [str(i) for i in range(len(images))] if ids is None else list(ids)
    rows = []
    for name, variant in variants.items():
        for i, image in enumerate(names):
            one = None if density is None else DensityMap(density.values[i : i + 1])
            rows += fidelity_rows(variant(images[i : i + 1]), [image], density=one, variant=name)
    return pd.DataFrame(rows)


def fidelity_rows(
    explanation: Explanation, ids: Sequence[str], *, density: DensityMap | None = None, variant: str = EXPLANATION
) -> list[dict[str, Any]]:
    """Return the rows of `fidelity_table` for one explanation of one or more images."""
    explainable, deep = explanation.explainable_map.squeeze(1), DensityMap(explanation.saliency_map.squeeze(1))
    values = {
        "cc_to_deep": cc(explainable, deep),
        "sim_to_deep": sim(explainable.clamp(min=0), deep),
        "kld_to_deep": kl_div(explainable.clamp(min=0), deep),
        "layer_correlation": layer_correlation(explanation),
        "weighted_layer_correlation": layer_correlation(explanation, weighted=True),
    }
    if density is not None:
        values["cc"] = cc(explainable, density)
    columns = {name: value.tolist() for name, value in values.items()}
    return [
        {"variant": variant, "image": image, **{name: column[i] for name, column in columns.items()}}
        for i, image in enumerate(ids)
    ]


def layer_correlation(explanation: Explanation, *, weighted: bool = False) -> Tensor:
    """Return the mean over layers of the mean correlation of live maps, shape ``(B,)``.

    Layers without live maps are ignored.

    Args:
        explanation: Explanation of B images.
        weighted: Whether to use the pixel weights of the reconstruction.
    """
    values = [layer.weighted_correlation if weighted else layer.correlation for layer in explanation.layers]
    return torch.stack([layer.nanmean(dim=1) for layer in values]).nanmean(dim=0)
