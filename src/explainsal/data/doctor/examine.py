"""Run every check on every split, and collect the statistics for the report's figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.doctor.files import check_files
from explainsal.data.doctor.finding import Finding
from explainsal.data.doctor.pictures import check_copies, look_at, quarter_turned
from explainsal.data.doctor.points import Points, check_points, check_turned

GRID = (36, 48)  # cells of the center bias: rows, columns


@dataclass(frozen=True, eq=False)
class SplitStatistics:
    """Statistics of one split for the report's figures.

    Args:
        sizes: ``(height, width)`` -> number of images of that size, the most frequent first.
        counts: Shape ``(n,)``: fixations per image; None if the split has no fixations.
        center_bias: Shape `GRID`, sums to 1: distribution of all fixations; None without fixations.
        nss: Shape ``(n,)``: NSS of each density at its fixations; NaN if unknown.
    """

    split: str
    images: int
    sizes: dict[tuple[int, int], int]
    counts: np.ndarray | None
    center_bias: np.ndarray | None
    nss: np.ndarray


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """Result of an examination: findings and statistics."""

    findings: tuple[Finding, ...]
    splits: tuple[SplitStatistics, ...]


def examine(root: Path, datasets: Iterable[SaliencyDataset], refused: Iterable[Finding] = ()) -> Diagnosis:
    """Run all checks.

    Args:
        datasets: Its splits, read with ``as_recorded=True`` and without those that contain others.
        refused: Findings about splits that could not be read.
    """
    datasets = list(datasets)
    findings = [*refused, *check_files(root, datasets)]
    statistics, pictures = [], []
    for dataset in datasets:
        points = Points.of(dataset) if dataset.has_fixations else None
        if points is not None:
            turned = quarter_turned(dataset)
            findings += [*check_turned(points, turned), *check_points(points.without(turned) if turned else points)]
        looked = look_at(dataset)
        findings += looked.found
        pictures.append(looked)
        statistics.append(_statistics(dataset, points, np.array(looked.nss)))
    return Diagnosis((*findings, *check_copies(pictures)), tuple(statistics))


def _statistics(dataset: SaliencyDataset, points: Points | None, nss: np.ndarray) -> SplitStatistics:
    sizes, numbers = np.unique(np.array(dataset.sizes).reshape(-1, 2), axis=0, return_counts=True)
    order = np.argsort(-numbers, kind="stable")
    return SplitStatistics(
        split=dataset.split,
        images=len(dataset),
        sizes={(int(sizes[i][0]), int(sizes[i][1])): int(numbers[i]) for i in order},
        counts=None if points is None else np.array([len(p) for p in points.images]),
        center_bias=None if points is None else _center_bias(points),
        nss=nss,
    )


def _center_bias(points: Points) -> np.ndarray | None:
    inside = ~points.outside() & ~np.isnan(points.xy).any(axis=1)
    if not inside.any():
        return None
    x, y = (points.xy[inside] / points.limits[inside]).T
    histogram, _, _ = np.histogram2d(y, x, bins=GRID, range=((0, 1), (0, 1)))
    return histogram / histogram.sum()
