"""Files with the numbers of an evaluation: a row per image, and means with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from explainsal.explanation.per_layer import DESCRIPTION
from explainsal.fetch.writing import replaced_file, write_file
from explainsal.metrics.bootstrap import mean_interval
from explainsal.reporting.results.titles import against_deep
from explainsal.reporting.run_folder import GalleryImage

KEYS = ("model", "id", "index", "fixations", "description")


def summarize(
    per_image: pd.DataFrame,
    protocol: Mapping[str, object],
    postprocessing: Mapping[str, str] | None = None,
    *,
    seed: int,
) -> pd.DataFrame:
    """Compute means over images with bootstrap intervals.

    Args:
        per_image: A row per model and image: model, id, index, fixations, then the metrics.
        protocol: Conditions of the numbers: profile, data, split, release, density_sigma, ig_baseline.
        postprocessing: Postprocessing of each model's maps before scoring; ``none`` for models that are not listed.

    Returns:
        A row per model and metric: model, postprocessing, metric, mean, low, high, images, skipped, then the protocol.
        A metric that is undefined for all images of a model has no row. A model without any defined metric, e.g. with
        only constant maps under ``mit2016``, has a row of NaN for each metric.
    """
    rows = []
    for model, table in per_image.groupby("model", sort=False):
        done = (postprocessing or {}).get(str(model), "none")
        metrics = table.columns.difference(list(KEYS), sort=False)
        scored = bool(table[metrics].notna().any(axis=None))
        for metric in metrics:
            values = table[metric].dropna()
            if values.empty and (scored or against_deep(str(metric))):
                continue  # the metric is undefined for this model, e.g. a comparison with itself
            interval = mean_interval(values.to_numpy(), seed=seed)
            rows.append({
                "model": model, "postprocessing": done, "metric": metric,
                "mean": interval.mean, "low": interval.low, "high": interval.high,
                "images": len(table), "skipped": len(table) - len(values), **protocol,
            })  # fmt: skip
    return pd.DataFrame(rows)


def write_results(folder: Path, per_image: pd.DataFrame, results: pd.DataFrame) -> None:
    """Write ``per_image.parquet`` and ``results.csv``, the table of `summarize`."""
    with replaced_file(folder / "per_image.parquet") as temporary:
        per_image.to_parquet(temporary, index=False)
    write_file(folder / "results.csv", results.to_csv(index=False))


def write_gallery(folder: Path, picture: GalleryImage) -> None:
    """Write one gallery image: the picture, its ground truth, and the maps by model name."""
    truth = {"density": picture.density, "fixations": picture.fixations}
    arrays = {"image": picture.image, **{name: value for name, value in truth.items() if value is not None}}
    if picture.description:
        arrays[DESCRIPTION] = np.array(picture.description)
    arrays |= {name: values.astype(np.float32) for name, values in picture.maps.items()}
    path = folder / "gallery" / f"{picture.id.replace('/', '_')}.npz"
    with (
        replaced_file(path) as temporary,
        open(temporary, "wb") as file,
    ):  # numpy would append .npz to an id with another ending
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its stub mistakes the maps for a flag


def choose_gallery(per_image: pd.DataFrame, count: int, *, by: str = "cc", among: str = "deep") -> list[int]:
    """Return the data-set indices of the best, middle and worst images, in this order, for the model `among`.

    Example:
        >>> table = pd.DataFrame({"model": "deep", "index": range(5), "cc": [0.1, 0.9, 0.5, 0.7, 0.3]})
        >>> choose_gallery(table, 3)
        [1, 2, 0]
    """
    ranked = per_image[per_image["model"] == among].dropna(subset=[by]).sort_values([by, "index"], ascending=False)
    indices = ranked["index"].tolist()
    if count >= len(indices):
        return indices
    third, middle = count // 3, len(indices) // 2
    best, worst = indices[:third], indices[len(indices) - third :] if third else []
    start = middle - (count - 2 * third) // 2
    return best + indices[start : start + count - 2 * third] + worst
