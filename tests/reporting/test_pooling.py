"""Pooled folds of a cross-validation: every image counts once, in one mean over all images."""

import pandas as pd
import pytest

from explainsal.errors import MissingFilesError, UserError
from explainsal.reporting.pooling import pool_runs
from explainsal.reporting.results.files import summarize, write_results

VALUES = {"0": [0.1, 0.2], "1": [0.3, 0.4, 0.5], "2": [0.6, 0.9], "10": [1.0, 0.0]}


def write_run(folder, values, fold, ids=None, **protocol):
    ids = ids or [f"image{fold}-{k}" for k in range(len(values))]
    rows = [(model, name, k, 5, value + shift) for model, shift in (("deep", 0.0), ("chance", -0.5))
            for k, (name, value) in enumerate(zip(ids, values, strict=True))]  # fmt: skip
    per_image = pd.DataFrame(rows, columns=["model", "id", "index", "fixations", "cc"])
    said = {"profile": "tuebingen", "data": "toronto", "split": f"test fold {fold} of 4", "release": None,
            "density_sigma": 20.0} | protocol  # fmt: skip
    write_results(folder, per_image, summarize(per_image, said, {"deep": "blur 3 px"}, seed=0))


@pytest.fixture
def runs(tmp_path):
    for k, (name, values) in enumerate(VALUES.items()):
        write_run(tmp_path / name, values, k)
    return tmp_path


def test_the_mean_is_over_images_and_not_over_folds(runs):
    results = pool_runs(runs)
    deep = results[results["model"] == "deep"].iloc[0]
    every = [v for values in VALUES.values() for v in values]
    assert deep["mean"] == pytest.approx(sum(every) / 9)
    assert (deep["images"], deep["split"], deep["postprocessing"]) == (9, "test of all 4 folds", "blur 3 px")
    assert deep["low"] < deep["mean"] < deep["high"]
    assert results.equals(pool_runs(runs))
    per_image = pd.read_parquet(runs / "per_image.parquet")
    assert per_image["run"].drop_duplicates().tolist() == list(VALUES)  # 10 after 2
    assert per_image[per_image["model"] == "chance"]["index"].tolist() == list(range(9))
    assert len(pd.read_csv(runs / "results.csv")) == 2


def test_a_missing_fold_is_said(runs):
    (runs / "2" / "per_image.parquet").unlink()
    assert pool_runs(runs)["split"].unique().tolist() == ["test of folds 0, 1, 3 of 4"]


def test_an_image_tested_twice_is_refused(runs):
    write_run(runs / "11", [0.5], 1, ids=["image1-0"])
    with pytest.raises(UserError, match="image1-0 was tested in the runs 1 and 11"):
        pool_runs(runs)


@pytest.mark.parametrize("other", [{"profile": "mit2016"}, {"release": "gaze"}, {"density_sigma": 24.0}])
def test_runs_of_other_data_or_metrics_are_refused(runs, other):
    write_run(runs / "11", [0.5], 4, **other)
    with pytest.raises(UserError, match=f"differ in {next(iter(other))}"):
        pool_runs(runs)


def test_nothing_to_pool(tmp_path):
    with pytest.raises(MissingFilesError, match="outputs/multirun"):
        pool_runs(tmp_path / "nowhere")
    with pytest.raises(MissingFilesError, match="0 evaluated runs"):
        pool_runs(tmp_path)
