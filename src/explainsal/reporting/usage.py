r"""Filter usage by layer: the share of the coefficients by wavelength, orientation and bandwidth.

The paper (Section IV) reports that the bandwidth of the filters grows with depth; `bandwidth_trend` measures it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

LOW_PASS = "low-pass"
NO_TREND = 0.2


def bandwidth_octaves(sigma_on_f: float | np.ndarray | pd.Series) -> np.ndarray:
    r"""Return the full width at half maximum of a log-Gabor filter's radial profile, in octaves.

    .. math:: B = 2 \sqrt{2 / \ln 2} \; |\ln(\sigma_f / f_0)|

    Kovesi, *What are log-Gabor filters and why are they good?*; 0.55 gives about two octaves, 0.75 about one.

    Args:
        sigma_on_f: The ratio :math:`\sigma_f / f_0`, positive.

    Example:
        >>> bandwidth_octaves(0.55).round(2), bandwidth_octaves(0.75).round(2)
        (np.float64(2.03), np.float64(0.98))
    """
    return 2 * math.sqrt(2 / math.log(2)) * np.abs(np.log(sigma_on_f))


@dataclass(frozen=True, eq=False)
class FilterUsage:
    """Shares of the coefficients by layer, and their mean bandwidth.

    Args:
        wavelength: A row per wavelength (pixels of the filtered map), a column per layer; every column sums to 1.
        orientation: The same table by orientation, in degrees.
        bandwidth: The same table by radial bandwidth, in octaves.
        mean_bandwidth: Mean over the band-pass filters of each layer, in octaves.
        image_bandwidth: The same with a column per image.
    """

    wavelength: pd.DataFrame
    orientation: pd.DataFrame
    bandwidth: pd.DataFrame
    mean_bandwidth: pd.Series
    image_bandwidth: pd.DataFrame


def filter_usage(coefficients: pd.DataFrame) -> FilterUsage:
    """Count filters, each weighted by the size of its coefficient.

    The sizes of the coefficients of one map are normalized to sum 1, so that a map with large activations does not
    dominate its layer. Terms that are not filters (constants) are left out. Low-pass filters, which have no orientation
    and no bandwidth, form a row of their own.

    Args:
        coefficients: Columns image, layer, map, weight, wavelength, orientation (radians), sigma_on_f.
    """
    used = _shares(coefficients)
    band_pass = used[used["wavelength_row"] != LOW_PASS]
    return FilterUsage(
        wavelength=_by_layer(used, "wavelength_row"),
        orientation=_by_layer(used, "orientation_row"),
        bandwidth=_by_layer(used, "bandwidth_row"),
        mean_bandwidth=_mean_octaves(band_pass, ["layer"]),
        image_bandwidth=_mean_octaves(band_pass, ["layer", "image"]).unstack("image"),
    )


def _mean_octaves(band_pass: pd.DataFrame, by: list[str]) -> pd.Series:
    weighted = band_pass.assign(weighted=band_pass["octaves"] * band_pass["share"]).groupby(by)[["weighted", "share"]]
    sums = weighted.sum()
    # rounding errors in the means of equal bandwidths would otherwise look like a trend to a rank correlation
    return (sums["weighted"] / sums["share"]).round(6)


def _shares(coefficients: pd.DataFrame) -> pd.DataFrame:
    coefficients = coefficients.reset_index(drop=True)  # joined tables repeat their index
    low_pass = is_low_pass(coefficients)
    filters = coefficients[low_pass | coefficients["wavelength"].notna()]
    low_pass = low_pass[filters.index]
    size = filters["weight"].abs()
    total = size.groupby([filters["image"], filters["layer"], filters["map"]]).transform("sum")
    octaves = pd.Series(bandwidth_octaves(filters["sigma_on_f"]), index=filters.index)
    used = filters.assign(
        share=size / total,
        octaves=octaves,
        wavelength_row=filters["wavelength"].round(2).astype(object),
        orientation_row=np.degrees(filters["orientation"]).round(1).astype(object),
        bandwidth_row=octaves.round(2).astype(object),
    )
    for column in ("wavelength_row", "orientation_row", "bandwidth_row"):
        used.loc[low_pass, column] = LOW_PASS
    return used[total > 0]


def is_low_pass(coefficients: pd.DataFrame) -> pd.Series:
    """Return which rows are low-pass filters: they have a width, possibly infinite, but no orientation."""
    return coefficients["wavelength"].notna() & coefficients["orientation"].isna()


def _by_layer(used: pd.DataFrame, row: str) -> pd.DataFrame:
    table = used.pivot_table(index=row, columns="layer", values="share", aggfunc="sum", fill_value=0.0)
    table = table / table.sum(axis=0)
    order = sorted(table.index, key=lambda value: math.inf if value == LOW_PASS else value)
    return table.loc[order]


@dataclass(frozen=True)
class Trend:
    """Relation between a number of each layer, e.g. its mean bandwidth, and the layer's depth.

    Args:
        rank_correlation: Spearman's correlation, in [-1, 1]; NaN with fewer than three layers or equal numbers.
        first: Mean over the first third of the layers.
        last: Mean over the last third.
        image_range: Lowest and highest rank correlation of single images.
    """

    rank_correlation: float
    first: float
    last: float
    layers: int
    image_range: tuple[float, float]

    @property
    def verdict(self) -> str:
        """``grows``, ``shrinks`` or ``neither grows nor shrinks`` with depth."""
        if math.isnan(self.rank_correlation) or abs(self.rank_correlation) < NO_TREND:
            return "neither grows nor shrinks"
        return "grows" if self.rank_correlation > 0 else "shrinks"


def bandwidth_trend(usage: FilterUsage) -> Trend:
    """Measure the growth of the filters' mean bandwidth with depth, which the paper reports."""
    mean = usage.mean_bandwidth
    of_images = [rank_correlation(usage.image_bandwidth[image].dropna()) for image in usage.image_bandwidth]
    third = max(1, len(mean) // 3)
    return Trend(
        rank_correlation=rank_correlation(mean),
        first=float(mean.iloc[:third].mean()),
        last=float(mean.iloc[-third:].mean()),
        layers=len(mean),
        image_range=(min(of_images, default=math.nan), max(of_images, default=math.nan)),
    )


def rank_correlation(values: pd.Series) -> float:
    """Return Spearman's correlation of the values with their index; ties have their mean rank.

    Example:
        >>> rank_correlation(pd.Series([1.0, 1.2, 5.0]))
        1.0
    """
    if len(values) < 3:
        return math.nan
    depth, rank = (np.asarray(series.rank()) for series in (values.index.to_series(), values))
    if rank.std() == 0:
        return math.nan
    return float(np.corrcoef(depth, rank)[0, 1].round(12))
