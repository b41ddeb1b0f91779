"""Data of the report's layer browser: pictures of maps, and the filters that reconstruct each of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from explainsal.reporting.figures.style import SALIENCY_CMAP
from explainsal.reporting.pictures import colors, gray_uri, photo_uri
from explainsal.reporting.run_folder import ExplanationTables, MapKey, Run

_Place = tuple[int, float | None, float | None]  # index of a picture, and its lowest and highest value

BUDGET = 9_000_000  # bytes of pictures in a report of 15 MB
_SAMPLE = 40  # maps encoded to estimate how many bytes all take
SIDES = (160, 128, 96, 64, 48, 32)
TERM_COLUMNS = ("source", "wavelength", "orientation", "sigma_on_f", "sigma_theta", "scale", "part", "weight")
LAYER_FACTS = ("layer", "name", "kind", "channels", "height", "width", "parents", "relative_mae", "correlation", "dead")


def browser_data(run: Run, budget: int = BUDGET) -> dict[str, Any] | None:
    """Return the data of the layer browser, ready for JSON; None if no preset kept maps.

    Pictures are as large as `budget` (bytes) allows; ``side`` is their side. If even the smallest pictures exceed the
    budget, the last maps of every layer are left out, and ``left_out`` is their number.
    """
    explanations = {name: tables for name, tables in run.explanations.items() if tables.maps}
    if not explanations:
        return None
    keep = {
        name: sorted(tables.maps, key=lambda key: (key.layer, key.image, key.map))
        for name, tables in explanations.items()
    }
    album = _fitting(explanations, keep, budget)
    kept = [key for keys in keep.values() for key in keys]
    return {
        "side": album.side,
        "left_out": sum(len(tables.maps) for tables in explanations.values()) - len(kept),
        "colors": colors(SALIENCY_CMAP),
        "pictures": album.uris,
        "images": _images(run, {key.image for key in kept}),
        "presets": [_preset(tables, keep[name], album) for name, tables in explanations.items()],
    }


@dataclass(eq=False)
class _Album:
    """Distinct pictures, since presets share activations, and the places of the two pictures of every map."""

    side: int
    uris: list[str] = field(default_factory=list)
    places: dict[tuple[str, MapKey], tuple[_Place, _Place]] = field(default_factory=dict)
    _known: dict[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(map(len, self.uris))

    def add(self, values: np.ndarray) -> _Place:
        uri, low, high = gray_uri(values, self.side)
        if uri not in self._known:
            self._known[uri] = len(self.uris)
            self.uris.append(uri)
        return self._known[uri], significant(low), significant(high)


def _fitting(explanations: dict[str, ExplanationTables], keep: dict[str, list[MapKey]], budget: int) -> _Album:
    """Return the album with the largest side within the budget; if none fits, remove the last maps of each layer."""
    sides = list(SIDES)
    while True:
        wanted = [(name, key) for name, keys in keep.items() for key in keys]
        sides = [side for side in sides if _estimated(explanations, wanted, side) <= budget] or sides[-1:]
        album = _Album(sides[0])
        for name, key in wanted:
            pair = explanations[name].maps[key]
            album.places[name, key] = (album.add(pair.activation), album.add(pair.reconstruction))
        if album.bytes <= budget:
            return album
        if len(sides) > 1:
            sides = sides[1:]
        elif not _drop_last_maps(keep):
            return album


def _estimated(explanations: dict[str, ExplanationTables], wanted: list[tuple[str, MapKey]], side: int) -> float:
    """Return about nine tenths of the bytes of all reconstructions and distinct activations, from a sample of them."""
    sample = wanted[:: max(1, len(wanted) // _SAMPLE)]
    pairs = [explanations[name].maps[key] for name, key in sample]
    distinct = len({key for _, key in wanted}) / len(wanted)
    each = [
        len(gray_uri(pair.reconstruction, side)[0]) + distinct * len(gray_uri(pair.activation, side)[0])
        for pair in pairs
    ]
    return 0.9 * len(wanted) * sum(each) / len(each)


def _drop_last_maps(keep: dict[str, list[MapKey]]) -> bool:
    """Remove one map of every layer with several maps; return whether any was removed."""
    dropped = False
    for name, keys in keep.items():
        layer_keys = pd.Series([(key.image, key.layer) for key in keys])
        last = layer_keys.duplicated(keep="first") & ~layer_keys.duplicated(keep="last")
        keep[name] = [key for key, drop in zip(keys, last, strict=True) if not drop]
        dropped |= bool(last.any())
    return dropped


def _images(run: Run, ids: set[str]) -> list[dict[str, str]]:
    photos = {picture.id: photo_uri(picture.image, 160) for picture in run.gallery if picture.id in ids}
    return [{"id": id, "photo": photos.get(id, "")} for id in sorted(ids)]


def _preset(tables: ExplanationTables, keys: Sequence[MapKey], album: _Album) -> dict[str, Any]:
    terms = _terms(tables.coefficients, keys)
    maps: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for key in keys:
        activation, reconstruction = album.places[tables.preset, key]
        found, kept = terms.get(key, ([], False))
        entry = {
            "map": key.map,
            "kept": kept,
            "activation": activation,
            "reconstruction": reconstruction,
            "terms": found,
        }
        maps.setdefault(key.image, {}).setdefault(key.layer, []).append(entry)
    facts = {image: _facts(rows) for image, rows in tables.layers.groupby("image", sort=False) if image in maps}
    return {"name": tables.preset, "columns": TERM_COLUMNS, "layers": facts, "maps": maps}


def _facts(rows: pd.DataFrame) -> list[dict[str, Any]]:
    known = [column for column in LAYER_FACTS if column in rows]
    return [dict(zip(known, map(_plain, row), strict=True)) for row in rows.sort_values("layer")[known].to_numpy()]


def _terms(coefficients: pd.DataFrame | None, keys: Sequence[MapKey]) -> dict[MapKey, tuple[list[list[Any]], bool]]:
    """Return the terms of these maps, largest first, and whether the map is in the next pool."""
    if coefficients is None:
        return {}
    wanted = pd.DataFrame([(key.image, key.layer, key.map) for key in keys], columns=["image", "layer", "map"])
    rows = coefficients.merge(wanted, on=["image", "layer", "map"])
    # Constants come last: they are not filters, and their weights are not comparable.
    order = rows["weight"].abs().where(rows["wavelength"].notna(), -1.0).sort_values(ascending=False, kind="stable")
    rows = rows.loc[order.index]
    found: dict[MapKey, tuple[list[list[Any]], bool]] = {}
    for row in rows.to_dict("records"):
        key = MapKey(str(row["image"]), int(row["layer"]), int(row["map"]))
        terms, _ = found.setdefault(key, ([], bool(row.get("kept"))))
        terms.append([_plain(row.get(column)) for column in TERM_COLUMNS])
    return found


def _plain(value: Any) -> Any:
    """Convert a value for JSON: infinity and NaN become None, floats are rounded to four significant digits."""
    value = value.item() if hasattr(value, "item") else value
    return significant(value) if isinstance(value, float) else value


def significant(value: float) -> float | None:
    """Round to four significant digits; return None for a value that is not finite.

    Example:
        >>> significant(0.123456), significant(float("inf"))
        (0.1235, None)
    """
    return float(f"{value:.4g}") if math.isfinite(value) else None
