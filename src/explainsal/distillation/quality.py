"""Tables for the report: agreement of the stages with their layers on images outside of the fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from explainsal.distillation.fit import Distillation
from explainsal.distillation.inputs import layer_outputs
from explainsal.distillation.network import Standalone
from explainsal.distillation.samples import StoredSamples
from explainsal.distillation.terms import term_table
from explainsal.explanation.rebuilt import measure_fit
from explainsal.functional.images import as_unit_float, resize
from explainsal.functional.reconstruction import pearson

if TYPE_CHECKING:
    import pandas as pd


@torch.no_grad()
def stage_quality(
    fit: Distillation, batches: Iterable[tuple[Tensor, Tensor | None]], ids: Sequence[str]
) -> pd.DataFrame:
    """Compare every stage's maps with the activation maps that they reproduce.

    Args:
        batches: Images ``(B, 3, H, W)`` that were not part of the fit.
        ids: A name per image.

    Returns:
        One row per image and stage: image, layer (position), name, kind, channels, height, width, parents (joined by
        ``;``), activation_mae, relative_mae, correlation (means over the stage's maps that are not constant), dead.
    """
    import pandas as pd

    kinds, rows, names = {layer.name: layer.kind for layer in fit.layers}, [], iter(ids)
    for images, _ in batches:
        pixels = as_unit_float(images).to(fit.device)
        layers = [stage.name for stage in fit.model.stages]
        outputs = layer_outputs(_network(fit), pixels, layers, last=fit.layers[-1].name)
        maps = fit.model.maps(resize(pixels, fit.input_size))
        image_names = [next(names) for _ in images]
        for number, stage in enumerate(fit.model.stages):
            wanted = resize(outputs[stage.name][:, list(stage.channels)], stage.size)
            quality = measure_fit(wanted, maps[stage.name])
            alive = quality.relative_mae.isfinite()
            columns = {
                "activation_mae": quality.mae.mean(1),
                "relative_mae": torch.where(alive, quality.relative_mae, torch.nan).nanmean(1),
                "correlation": quality.correlation.nanmean(1),
                "dead": (~alive).sum(1),
            }
            values = {name: column.tolist() for name, column in columns.items()}
            rows += [
                {
                    "image": image, "layer": number, "name": stage.name, "kind": kinds[stage.name],
                    "channels": len(stage.channels), "height": stage.size[0], "width": stage.size[1],
                    "parents": ";".join(stage.sources), **{name: column[b] for name, column in values.items()},
                }
                for b, image in enumerate(image_names)
            ]  # fmt: skip
    return pd.DataFrame(rows)


def mean_cc(model: Standalone, samples: StoredSamples, target: Tensor) -> float:
    """Return the mean correlation of the model's maps with target maps ``(N, 1, h, w)``."""
    return float(image_cc(model, samples, target).nanmean())


@torch.no_grad()
def image_cc(model: Standalone, samples: StoredSamples, target: Tensor) -> Tensor:
    """Return the correlation ``(N,)`` of the model's map of each image with its target map, of ``(N, 1, h, w)``."""
    device = next(model.parameters()).device
    values = []
    for start, (images, _) in zip(range(0, samples.count, 8), samples.batches(8)(), strict=True):
        maps = model(images.to(device)).clamp_min(0)
        one = target[start : start + len(images)].to(device)
        values.append(pearson(resize(one, (maps.shape[-2], maps.shape[-1])), maps)[:, 0])
    return torch.cat(values)


def attribution_table(parts: Mapping[str, Tensor], ids: Sequence[str], by: str = "source") -> pd.DataFrame:
    """Return the share of each part of an attribution in every image's map.

    Args:
        parts: Maps ``(B, h, w)``, from :func:`~explainsal.distillation.attribute`.
        ids: A name per image.

    Returns:
        Columns image, by, part, mean (over the pixels; the means add up to the map's) and variation. The variation is
        the part's share of the map's variance: its covariance with the map over the map's variance. They add up to 1.
    """
    import pandas as pd

    stacked = torch.stack(list(parts.values())).flatten(2).double()  # (parts, B, pixels)
    centered = stacked - stacked.mean(-1, keepdim=True)
    whole = centered.sum(0)
    variation = (centered * whole).sum(-1) / whole.square().sum(-1)
    rows = [
        {
            "image": image, "by": by, "part": name,
            "mean": float(stacked[p, b].mean()), "variation": float(variation[p, b]),
        }
        for b, image in enumerate(ids)
        for p, name in enumerate(parts)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def write_tables(model: Standalone, quality: pd.DataFrame | None, folder: Path) -> None:
    """Write ``layers.csv`` and ``coefficients.parquet`` as other explanations do, and the graph as ``graph.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    if quality is not None:
        quality.to_csv(folder / "layers.csv", index=False)
    table = term_table(model)
    table.to_csv(folder / "graph.csv", index=False)
    # comparable across candidates: the weight of a candidate with standard deviation 1
    shared = table.assign(image="all", weight=table["weight"] * table["spread"], scale=1.0, kept=True)
    shared.drop(columns=["spread", "share", "flow"]).to_parquet(folder / "coefficients.parquet", index=False)


def _network(fit: Distillation) -> torch.nn.Module:
    if fit.net is None:
        raise ValueError("a fit without a network cannot be compared with one")
    return fit.net
