"""Convert explanations to tables with a row per layer or per term, and to a few maps for inspection."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from explainsal.explanation.layer import ExplainedBatch, LayerExplanation

DESCRIPTION = "description"  # key of the label in archives of maps, as in tables


def described(table: pd.DataFrame, description: str | Mapping[str, str]) -> pd.DataFrame:
    """Add a column `description` to a table if the network has a label.

    Args:
        table: Table with one row per image, layer, model, ...
        description: Label of every row, e.g. ``untrained weights``, or labels of some models by their names in the
            column `model`.
    """
    if not description:
        return table
    if isinstance(description, str):
        return table.assign(description=description)
    return table.assign(description=[description.get(model, "") for model in table["model"]])


class Tables:
    """Tables of many explanations, e.g. of images of different sizes, without their tensors."""

    def __init__(self) -> None:
        self._layers: list[pd.DataFrame] = []
        self._coefficients: list[pd.DataFrame] = []
        self._maps: dict[str, np.ndarray] = {}

    @classmethod
    def merged(cls, parts: Sequence[Tables]) -> Tables:
        """Concatenate tables; :meth:`save` drops duplicate images."""
        whole = cls()
        for part in parts:
            whole._maps |= part._maps
            whole._layers += part._layers
            whole._coefficients += part._coefficients
        return whole

    def __len__(self) -> int:
        return len(self._layers)

    def add(self, explanation: ExplainedBatch, ids: Sequence[str] | None = None, *, coefficients: bool = True) -> None:
        """Add the rows of an explanation, optionally with those of its many coefficients."""
        self._layers.append(layer_table(explanation, ids))
        if coefficients:
            self._coefficients.append(coefficient_table(explanation, ids))
        samples = map_samples(explanation, ids)
        if samples and explanation.description:
            samples[DESCRIPTION] = np.array(explanation.description)
        self._maps |= samples

    def save(self, folder: str | Path) -> None:
        """Write ``layers.csv``, ``coefficients.parquet`` and, if maps were kept, ``maps.npz``.

        Maps are not compressed: it would take as long as a tenth of the explanation, for a fifth of the bytes.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        _once(self._layers, ["image", "layer"]).to_csv(folder / "layers.csv", index=False)
        if self._coefficients:
            terms = _once(self._coefficients, ["image", "layer", "map", "term"])
            terms.to_parquet(folder / "coefficients.parquet", index=False)
        if self._maps:
            np.savez(folder / "maps.npz", **self._maps)  # type: ignore[arg-type]


def _once(tables: list[pd.DataFrame], keys: list[str]) -> pd.DataFrame:
    """Return all rows sorted by the keys, without duplicates, since a distributed sampler may repeat an image."""
    return pd.concat(tables).drop_duplicates(keys).sort_values(keys, kind="stable", ignore_index=True)


def layer_table(explanation: ExplainedBatch, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the fidelity of each layer of each image.

    Args:
        explanation: B images.
        ids: A name per image; default their positions.

    Returns:
        Columns image, layer (position), name, kind, channels, height, width, parents (joined by ``;``),
        activation_mae (mean over the maps), relative_mae, correlation and weighted_correlation (means over the maps
        that are not constant), dead (number of constant maps); description, if the network has a label.
    """
    rows = []
    for number, layer in enumerate(explanation.layers):
        alive = ~layer.dead & layer.activation_mae.isfinite()
        columns = {
            "activation_mae": _mean(layer.activation_mae, layer.activation_mae.isfinite()),
            "relative_mae": _mean(layer.relative_mae, alive),
            "correlation": _mean(layer.correlation, alive),
            "weighted_correlation": _mean(layer.weighted_correlation, alive & ~layer.weighted_correlation.isnan()),
            "dead": layer.dead.sum(1),
        }
        values = {name: column.cpu().tolist() for name, column in columns.items()}
        channels, height, width = layer.shape
        rows += [
            {
                "image": image, "layer": number, "name": layer.name, "kind": layer.kind, "channels": channels,
                "height": height, "width": width, "parents": ";".join(layer.parents),
                **{name: column[b] for name, column in values.items()},
            }
            for b, image in enumerate(_names(explanation, ids))
        ]  # fmt: skip
    table = pd.DataFrame(rows).sort_values(["image", "layer"], kind="stable", ignore_index=True)
    return described(table, explanation.description)


def coefficient_table(explanation: ExplainedBatch, ids: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the terms of each activation map of each image.

    Args:
        explanation: B images.
        ids: A name per image; default their positions.

    Returns:
        Columns image, layer, map, term, weight, part (of the response: energy, even or odd), wavelength (px of the
        filtered map; a low-pass filter's is ``2 pi`` sigma), orientation (radians; NaN for low-pass), sigma_on_f,
        sigma_theta (likewise), source (``layer/map`` whose reconstruction was filtered, or ``input``), scale, kept
        (whether the map is in the next pool), description, if the network has a label. Unused terms have no row; a
        constant has one, with term -1 and neither filter nor source.
    """
    names = np.array(_names(explanation, ids), dtype=object)
    parts = [_terms(explanation, number, layer) for number, layer in enumerate(explanation.layers)]
    parts += _constants(explanation)
    table = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    table["image"] = names[table["image"].to_numpy()]
    table = table.sort_values(["image", "layer", "map", "term"], kind="stable", ignore_index=True)
    return described(table, explanation.description)


def map_samples(explanation: ExplainedBatch, ids: Sequence[str] | None = None, count: int = 3) -> dict[str, np.ndarray]:
    """Return a few kept maps of every layer with their reconstructions.

    Args:
        explanation: Explanation of B images with ``keep_maps``.
        ids: A name per image; default their positions.
        count: Largest number of maps per layer and image.

    Returns:
        float16 arrays ``(H, W)`` under ``<image>/<layer>/<map>/activation`` and ``.../reconstruction``.
    """
    samples = {}
    for number, layer in enumerate(explanation.layers):
        if layer.activations is None or layer.reconstructions is None or layer.channels is None:
            continue
        for b, image in enumerate(_names(explanation, ids)):
            for place, channel in enumerate(layer.channels[b, :count].tolist()):
                if channel >= 0:
                    key = f"{image}/{number}/{channel}"
                    samples[f"{key}/activation"] = _half(layer.activations[b, place])
                    samples[f"{key}/reconstruction"] = _half(layer.reconstructions[b, place])
    return samples


def _terms(explanation: ExplainedBatch, number: int, layer: LayerExplanation) -> dict[str, np.ndarray]:
    terms = layer.coefficients
    image, channel, term = (t.cpu().numpy() for t in torch.nonzero(terms.source >= 0, as_tuple=True))
    pick = (image, channel, term)
    filters = explanation.bank.filters
    chosen = terms.filter.cpu().numpy()[pick]
    source, source_map = terms.source.cpu().numpy()[pick], terms.channel.cpu().numpy()[pick]
    parents = np.array(layer.parents, dtype=object)[source]
    from_layer = parents != "input"
    labels = parents.copy()
    labels[from_layer] = parents[from_layer] + "/" + source_map[from_layer].astype(str).astype(object)
    columns = {
        name: np.array([getattr(f, name) for f in filters])[chosen]
        for name in ("part", "wavelength", "orientation", "sigma_on_f", "sigma_theta")
    }
    return {
        "image": image, "layer": np.full(len(image), number), "map": channel, "term": term,
        "weight": terms.weights.cpu().numpy()[pick], **columns, "source": labels,
        "scale": terms.scale.cpu().numpy()[term], "kept": _kept(layer)[image, channel],
    }  # fmt: skip


def _constants(explanation: ExplainedBatch) -> Iterator[dict[str, np.ndarray]]:
    absent = {"part": "", "wavelength": np.nan, "orientation": np.nan, "sigma_on_f": np.nan, "sigma_theta": np.nan}
    for number, layer in enumerate(explanation.layers):
        if layer.coefficients.constant is None:
            continue
        constant = layer.coefficients.constant.cpu().numpy()
        image, channel = np.indices(constant.shape).reshape(2, -1)
        values = {"layer": number, "term": -1, **absent, "source": "", "scale": 1.0}
        same = {name: np.full(len(image), value, object if value == "" else None) for name, value in values.items()}
        yield same | {
            "image": image, "map": channel, "weight": constant.ravel(), "kept": _kept(layer)[image, channel],
        }  # fmt: skip


def _kept(layer: LayerExplanation) -> np.ndarray:
    mask = torch.zeros(layer.activation_mae.shape[0], layer.shape[0] + 1, dtype=torch.bool, device=layer.kept.device)
    return mask.scatter_(1, layer.kept + 1, True)[:, 1:].cpu().numpy()  # column 0 is for the -1 of empty places


def _names(explanation: ExplainedBatch, ids: Sequence[str] | None) -> list[str]:
    count = len(explanation.saliency_map)
    names = [str(i) for i in range(count)] if ids is None else list(ids)
    if len(names) != count:
        raise ValueError(f"{count} images are explained, but {len(names)} ids were given")
    return names


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Return the mean over the masked maps, NaN for an empty mask."""
    return torch.where(mask, values, 0).sum(1) / mask.sum(1)


def _half(maps: Tensor) -> np.ndarray:
    limit = torch.finfo(torch.float16).max
    return maps.clamp(-limit, limit).half().cpu().numpy()
