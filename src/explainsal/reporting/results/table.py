"""The results table of a run: models as rows, metrics as columns, `mean [low, high]`, the best of a column in bold."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import pandas as pd

from explainsal.reporting.results.titles import (
    against_deep,
    higher_is_better,
    is_number,
    metric_order,
    number,
    protocol_text,
)

PROTOCOL = ("profile", "data", "split", "release", "density_sigma", "ig_baseline")


@dataclass(frozen=True)
class Cell:
    """Mean of a metric over images with its bootstrap interval; `best` if no other model has a better mean."""

    mean: float
    low: float
    high: float
    best: bool = False

    @property
    def interval(self) -> str:
        """``[low, high]``; empty if the interval is unknown."""
        return "" if math.isnan(self.low) or math.isnan(self.high) else f"[{number(self.low)}, {number(self.high)}]"

    def __str__(self) -> str:
        return f"{number(self.mean)} {self.interval}".strip()


@dataclass(frozen=True)
class Section:
    """Related rows and columns of a table."""

    title: str
    models: tuple[str, ...]
    metrics: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ResultsTable:
    """Comparable results, measured under one protocol.

    Args:
        protocol: Profile, data set, split, release and density sigma, if known.
        models: Rows, in the order of the results.
        metrics: Columns: metrics against the ground truth first, metrics against the deep map (``*_to_deep``) last.
        cells: Values by model and metric; unmeasured pairs are absent.
        images: Number of images by model, if known.
        skipped: Largest number of images for which a metric is undefined.
        postprocessing: Postprocessing of the maps before scoring by model, for models that have one.
    """

    protocol: dict[str, str]
    models: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: dict[tuple[str, str], Cell]
    images: dict[str, int]
    skipped: int
    postprocessing: dict[str, str] = field(default_factory=dict)

    @property
    def most_images(self) -> int:
        """Number of images of the models with all images; 0 if unknown."""
        return max(self.images.values(), default=0)

    def subset(self, model: str) -> str:
        """Return ``12 of 100 images`` for a model with fewer images than others, whose values are not comparable."""
        count = self.images.get(model, self.most_images)
        return f"{count} of {self.most_images} images" if count < self.most_images else ""

    def remarks(self, model: str) -> str:
        """Return the remarks on a model's row: postprocessing of its maps, and a smaller number of images."""
        return "; ".join(filter(None, [self.postprocessing.get(model, ""), self.subset(model)]))

    def sections(self) -> list[Section]:
        """Return the metrics against the ground truth, and those against the deep map, each with its models."""
        found = []
        for title, to_deep in (("Against the ground truth", False), ("Against the deep map", True)):
            metrics = tuple(metric for metric in self.metrics if against_deep(metric) == to_deep)
            models = tuple(m for m in self.models if any((m, metric) in self.cells for metric in metrics))
            if metrics and models:
                found.append(Section(title, models, metrics))
        return found

    @property
    def caption(self) -> str:
        """Protocol of the numbers, for comparisons with others."""
        sigma = self.protocol.get("density_sigma")
        words = [
            " ".join(filter(None, (self.protocol.get("data"), self.protocol.get("split")))),
            f"release {self.protocol['release']}" if "release" in self.protocol else "",
            f"{self.most_images} images" if self.images else "",
            f"{self.skipped} undefined for some metric" if self.skipped else "",
            f"metric profile {self.protocol['profile']}" if "profile" in self.protocol else "metric profile unknown",
            f"density sigma {sigma}" + (" px" if is_number(sigma) else "") if sigma else "",
            f"IG over the {self.protocol['ig_baseline']}"
            if "ig" in self.metrics and "ig_baseline" in self.protocol
            else "",
            "−inf: a map gives a fixated pixel the probability 0"
            if any(c.mean == -math.inf for c in self.cells.values())
            else "",
            "mean and bootstrap interval over images" if any(c.interval for c in self.cells.values()) else "mean",
        ]
        return "; ".join(filter(None, words)) + "."


def results_tables(results: pd.DataFrame) -> list[ResultsTable]:
    """Build one table per protocol; numbers of different protocols must not share a column.

    Args:
        results: Long form: columns model, metric, mean, low, high, and if known images, skipped and the protocol's.

    Example:
        >>> rows = [("deep", "cc", 0.66, 0.64, 0.68, "tuebingen"), ("chance", "cc", 0.0, -0.01, 0.01, "tuebingen")]
        >>> frame = pd.DataFrame(rows, columns=["model", "metric", "mean", "low", "high", "profile"])
        >>> table = results_tables(frame)[0]
        >>> str(table.cells["deep", "cc"]), table.cells["deep", "cc"].best
        ('0.660 [0.640, 0.680]', True)
    """
    known = [column for column in PROTOCOL if column in results]
    if not known:
        return [_results_table({}, results)]
    text = pd.DataFrame({column: [protocol_text(value) for value in results[column]] for column in known})
    groups = results.groupby([text[column].to_numpy() for column in known], sort=False)
    return [
        _results_table({name: str(value) for name, value in zip(known, key, strict=True) if value}, rows)
        for key, rows in groups
    ]


def _results_table(protocol: dict[str, str], rows: pd.DataFrame) -> ResultsTable:
    metrics = sorted(dict.fromkeys(rows["metric"]), key=metric_order)
    cells = {
        (model, metric): Cell(mean, low, high)
        for model, metric, mean, low, high in zip(
            *(rows[column].tolist() for column in ("model", "metric", "mean", "low", "high")), strict=True
        )
    }
    images = _images(rows)
    for metric in metrics:
        _mark_best(metric, cells, images)
    return ResultsTable(
        protocol=protocol,
        models=tuple(dict.fromkeys(rows["model"])),
        metrics=tuple(metrics),
        cells=cells,
        images=images,
        skipped=int(rows["skipped"].max()) if "skipped" in rows and rows["skipped"].notna().any() else 0,
        postprocessing=_postprocessing(rows),
    )


def _postprocessing(rows: pd.DataFrame) -> dict[str, str]:
    if "postprocessing" not in rows:
        return {}
    marked = rows.dropna(subset=["postprocessing"]).drop_duplicates("model")
    return {str(m): str(p) for m, p in zip(marked["model"], marked["postprocessing"], strict=True) if p != "none"}


def _images(rows: pd.DataFrame) -> dict[str, int]:
    if "images" not in rows:
        return {}
    return {
        str(model): int(count) for model, count in rows.groupby("model", sort=False)["images"].max().dropna().items()
    }


def _mark_best(metric: str, cells: dict[tuple[str, str], Cell], images: dict[str, int]) -> None:
    column = {key: cell for key, cell in cells.items() if key[1] == metric and not math.isnan(cell.mean)}
    # Models with fewer images may have easier ones.
    most = max((images.get(model, 0) for model, _ in column), default=0)
    column = {key: cell for key, cell in column.items() if images.get(key[0], 0) == most}
    if len(column) < 2:
        return  # the only number in a column is not marked as best
    best = (max if higher_is_better(metric) else min)(cell.mean for cell in column.values())
    for key, cell in column.items():
        if cell.mean == best:
            cells[key] = Cell(cell.mean, cell.low, cell.high, best=True)
