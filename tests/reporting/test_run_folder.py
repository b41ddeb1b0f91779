from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tests.reporting.fake_run import NAMES, PRESETS, SIZE

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.reporting.run_folder import MapKey, read_run


def test_a_whole_run_misses_nothing(fake_run: Path) -> None:
    run = read_run(fake_run)
    assert run.missing == ()
    assert run.environment is not None
    assert run.environment["model"]["name"] == "cmrnet"
    assert [image.id for image in run.gallery] == [f"scene_{n}" for n in range(1401, 1406)]
    assert run.gallery[0].image.shape == (*SIZE, 3)
    assert list(run.gallery[0].maps) == ["deep", "explainable/paper", "explainable/normalized", "explainable/sparse"]


def test_presets_stand_in_the_order_from_literal_to_faithful(fake_run: Path) -> None:
    assert tuple(read_run(fake_run).explanations) == PRESETS  # alphabetical order would be normalized, paper, sparse


def test_maps_are_paired_and_known_by_image_layer_and_map(fake_run: Path) -> None:
    tables = read_run(fake_run).explanations["sparse"]
    with np.load(fake_run / "explanation" / "sparse" / "maps.npz") as archive:
        expected = archive["scene_1402/5/1/reconstruction"]
    np.testing.assert_array_equal(tables.maps[MapKey("scene_1402", 5, 1)].reconstruction, expected)
    assert len(tables.maps) == 3 * len(NAMES) * 2


def test_depth_is_the_mean_over_images_in_execution_order(fake_run: Path) -> None:
    depth = read_run(fake_run).explanations["sparse"].depth
    rows = pd.read_csv(fake_run / "explanation" / "sparse" / "layers.csv")
    assert list(depth["name"]) == NAMES
    values = [row.correlation for row in rows.itertuples() if row.layer == 7]
    assert len(values) == 3
    assert depth["correlation"][7] == pytest.approx(sum(values) / 3)


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("config.yaml", "explainsal.train"),
        ("environment.json", "explainsal.train"),
        ("metrics.csv", "explainsal.train"),
        ("results.csv", "explainsal.evaluate"),
        ("per_image.parquet", "explainsal.evaluate"),
        ("gallery", "explainsal.evaluate"),
        ("explanation", "explainsal.explain"),
        ("explanation/sparse/layers.csv", "explainsal.explain"),
        ("explanation/sparse/coefficients.parquet", "explainsal.explain"),
        ("explanation/sparse/maps.npz", "explainsal.explain"),
    ],
)
def test_a_missing_part_is_named_with_the_command_that_writes_it(own_run: Path, path: str, command: str) -> None:
    target = own_run / path
    shutil.rmtree(target) if target.is_dir() else target.unlink()
    run = read_run(own_run)
    assert [part.path for part in run.missing] == [path]
    assert command in run.why_missing(path)


@pytest.mark.parametrize(
    "path",
    [
        "environment.json",
        "metrics.csv",
        "results.csv",
        "per_image.parquet",
        "gallery/scene_1402.npz",
        "explanation/sparse/layers.csv",
        "explanation/sparse/coefficients.parquet",
        "explanation/sparse/maps.npz",
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_is_cut_short_is_named(own_run: Path, path: str, share: float) -> None:
    target = own_run / path
    content = target.read_bytes()
    # A table that ends with a complete line cannot be distinguished from a shorter table.
    target.write_bytes(content[: int(len(content) * share)].rstrip(b"\n"))
    with pytest.raises(CorruptFileError, match=target.name):
        read_run(own_run)


def test_a_table_without_its_columns_says_which(own_run: Path) -> None:
    pd.read_csv(own_run / "results.csv").drop(columns="high").to_csv(own_run / "results.csv", index=False)
    with pytest.raises(CorruptFileError, match=r"results\.csv has no column high"):
        read_run(own_run)


def test_arrays_that_hide_code_are_not_loaded(own_run: Path) -> None:
    np.savez(own_run / "gallery" / "bad.npz", image=np.array([object()], dtype=object))
    with pytest.raises(CorruptFileError, match=r"bad\.npz"):
        read_run(own_run)


def test_numeric_image_ids_stay_text(own_run: Path) -> None:
    path = own_run / "explanation" / "sparse" / "layers.csv"
    table = pd.read_csv(path)
    table["image"] = table["image"].str.removeprefix("scene_")
    table.to_csv(path, index=False)
    assert set(read_run(own_run).explanations["sparse"].layers["image"]) == {"1401", "1402", "1403"}


def test_no_run_there(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="no run at"):
        read_run(tmp_path / "absent")
    with pytest.raises(MissingFilesError, match="nothing in"):
        read_run(tmp_path)
