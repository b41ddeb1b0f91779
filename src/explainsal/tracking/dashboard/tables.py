"""Tables of a run for a dashboard, with all presets in one table: a row per layer, filter value or null model."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

from explainsal.explanation.per_layer import described
from explainsal.models.saliency_model import UNTRAINED
from explainsal.reporting.nulls import null_table
from explainsal.reporting.run_folder import ExplanationTables, Run
from explainsal.reporting.usage import filter_usage


def fidelity_by_layer(run: Run) -> pd.DataFrame | None:
    """Return the columns of ``layers.csv`` for every layer, as means over the images."""
    return _of_presets(run, lambda tables: tables.depth)


def usage_table(run: Run) -> pd.DataFrame | None:
    """Return shares of the coefficients: columns preset, layer, parameter (wavelength, ...), value, share."""
    return _of_presets(run, _shares)


def band_table(run: Run) -> pd.DataFrame | None:
    """Return the mean bandwidth in octaves: columns preset, layer, bandwidth."""
    return _of_presets(run, _bandwidth)


def null_models(run: Run) -> pd.DataFrame | None:
    """Compare each explanation with its null models: columns preset, variant, metric, mean, low, high."""
    return _of_presets(run, _nulls)


def _of_presets(run: Run, table: Callable[[ExplanationTables], pd.DataFrame | None]) -> pd.DataFrame | None:
    found = {preset: table(tables) for preset, tables in run.explanations.items()}
    parts = [part.assign(preset=preset) for preset, part in found.items() if part is not None]
    if not parts:
        return None
    whole = pd.concat(parts, ignore_index=True)
    return described(whole[["preset", *whole.columns.drop("preset")]], UNTRAINED if run.untrained else "")


def _shares(tables: ExplanationTables) -> pd.DataFrame | None:
    if tables.coefficients is None or tables.coefficients.empty:
        return None
    usage = filter_usage(tables.coefficients)
    parts = [
        getattr(usage, name).rename_axis("value").reset_index().melt("value", var_name="layer", value_name="share")
        .assign(parameter=name, value=lambda long: long["value"].astype(str))
        for name in ("wavelength", "orientation", "bandwidth")
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[["layer", "parameter", "value", "share"]]


def _bandwidth(tables: ExplanationTables) -> pd.DataFrame | None:
    if tables.coefficients is None or tables.coefficients.empty:
        return None
    return filter_usage(tables.coefficients).mean_bandwidth.rename("bandwidth").reset_index()


def _nulls(tables: ExplanationTables) -> pd.DataFrame | None:
    if tables.fidelity_with_nulls is None:
        return None
    cells = null_table(tables.fidelity_with_nulls).cells
    rows = [(*key, cell.mean, cell.low, cell.high) for key, cell in cells.items()]
    return pd.DataFrame(rows, columns=["variant", "metric", "mean", "low", "high"])
