"""The table of a sweep reports failures and Pareto-optimal jobs; its figures show every job."""

from __future__ import annotations

import json
import os
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from tests.reporting.fake_sweep import fake_job

from explainsal.errors import MissingFilesError
from explainsal.reporting.figures.style import USAGE_CMAP
from explainsal.reporting.figures.sweep import heat_map_figure, levels, parallel_figure
from explainsal.reporting.sweep import pareto_front, sweep_objectives, sweep_table, write_sweep

AIMS = {"cc_to_deep": "maximize", "cpu_seconds": "minimize"}


def jobs(**columns) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    return table.assign(front=pareto_front(table, AIMS))


def test_the_table_has_measures_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(ValueError, match="top_k"):
        fake_job(tmp_path / "a", 0.8, "explainer.top_k=-1", crash=True)
    fake_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    path, *_ = write_sweep(tmp_path)
    table = pd.read_csv(path).set_index("job")
    said = capsys.readouterr().out
    assert "job a failed: ValueError: top_k must be at least 1" in said
    assert "1 of 2 jobs done" in said
    assert list(table.columns[:2]) == ["explainer.top_k", "cc_to_deep"]
    assert list(table.columns[-4:]) == ["front", "status", "error", "commit"]
    assert (table.loc["x", "explainer.top_k"], table.loc["x", "status"]) == (5, "done")
    assert table.loc["x", "cc_to_deep"] == pytest.approx(0.85)
    assert "sweep" not in table.columns  # the same in every job
    assert pd.isna(table.loc["a", "cc_to_deep"])
    assert list(table["front"]) == [False, True]


def test_figures_are_of_what_was_swept_and_measured(tmp_path: Path) -> None:
    for top_k in (5, 10):
        for pool in (10, 20):
            fake_job(
                tmp_path / f"{top_k}-{pool}", top_k / 20, f"explainer.top_k={top_k}", f"explainer.pool_size={pool}"
            )
    aims = ["cc_to_deep", "shuffled_filters_gap", "cpu_seconds"]
    written = {path.name for path in write_sweep(tmp_path)}
    names = ["parallel", "front", *(f"heat_map_{aim}" for aim in aims)]
    assert written == {"sweep.csv", *(f"{name}.{kind}" for name in names for kind in ("png", "pdf"))}
    assert all((tmp_path / "figures" / f"{name}.png").stat().st_size > 5000 for name in names)


def test_a_single_job_or_none_that_is_done_gives_a_table_alone(tmp_path: Path) -> None:
    fake_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    assert write_sweep(tmp_path) == [tmp_path / "sweep.csv"]
    with pytest.raises(ValueError, match="top_k"):
        fake_job(tmp_path / "y" / "z", 0.8, "explainer.top_k=5", crash=True)
    assert write_sweep(tmp_path / "y") == [tmp_path / "y" / "sweep.csv"]


def test_a_folder_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="no jobs"):
        sweep_table(tmp_path)


def test_objectives_are_those_of_the_search_in_the_folder(tmp_path: Path) -> None:
    table = pd.DataFrame({"cc_to_deep": [0.5], "seconds": [3.0], "random_layer_gap": [0.1], "cpu_seconds": [2.0]})
    usual = {"cc_to_deep": "maximize", "random_layer_gap": "maximize", "cpu_seconds": "minimize"}
    assert sweep_objectives(tmp_path, table) == usual
    (tmp_path / "objectives.json").write_text(json.dumps({"seconds": "minimize", "val/cc": "maximize"}))
    assert sweep_objectives(tmp_path, table) == {"seconds": "minimize"}


def test_the_front_is_what_no_other_job_beats_in_everything() -> None:
    table = pd.DataFrame({"cc_to_deep": [0.9, 0.9, 0.8, 0.7, np.nan], "cpu_seconds": [5.0, 4.0, 2.0, 2.0, 1.0]})
    assert pareto_front(table, AIMS).tolist() == [False, True, True, False, False]
    assert pareto_front(table.iloc[[0, 0]], AIMS).tolist() == [True, True]  # equal jobs are both optimal


def test_levels_are_in_the_order_of_their_values() -> None:
    found = levels(pd.Series(["20", "5", "10", "5"]))
    assert (found.labels, found.places.tolist()) == (["5", "10", "20"], [2, 0, 1, 0])
    assert levels(pd.Series(["octave", None])).labels == ["default", "octave"]
    many = levels(pd.Series([str(0.5 + i / 100) for i in range(21)]))
    assert many.labels == ["0.5", "0.55", "0.6", "0.65", "0.7"]
    assert many.places == pytest.approx(np.arange(21) / 5)


def test_a_line_passes_through_its_values_and_better_is_higher() -> None:
    table = jobs(pool=["5", "10", "20"], cc_to_deep=[0.5, 0.7, 0.9], cpu_seconds=[10.0, 40.0, 20.0])
    axes = parallel_figure(table, ["pool"], AIMS).axes[0]
    lines = [line for line in axes.lines if len(line.get_xdata()) == 3]
    heights = [np.asarray(line.get_ydata()).round(6).tolist() for line in lines]
    assert heights == [[0, 0, 1], [0.5, 0.5, 0], [1, 1, round(2 / 3, 6)]]  # drawn from the least faithful
    assert [line.get_linewidth() > 1 for line in lines] == [True, False, True]  # the middle job is not optimal
    assert lines[2].get_color() == mpl.colormaps[USAGE_CMAP](0.92)


def test_a_cell_is_the_mean_of_its_jobs_and_empty_without_any() -> None:
    table = jobs(
        pool=["5", "5", "10"],
        bank=["paper", "paper", "octave"],
        cc_to_deep=[0.2, 0.4, 0.9],
        cpu_seconds=[1.0, 1.0, 1.0],
    )
    figure = heat_map_figure(table, ["pool", "bank"], "cc_to_deep")
    shown = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    assert shown == pytest.approx(np.array([[np.nan, 0.9], [0.3, np.nan]]), nan_ok=True)  # octave precedes paper
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["octave", "paper"]
    with pytest.raises(ValueError, match="two swept parameters"):
        heat_map_figure(table, ["pool"], "cc_to_deep")


def test_of_jobs_with_the_same_options_the_latest_is_in_the_table(tmp_path: Path, capsys) -> None:
    """They ran on other data; the older one counts again when it is called for again."""
    old, new = tmp_path / "a", tmp_path / "b"
    for folder, value in ((old, 0.3), (new, 0.6)):
        assert fake_job(folder, value, "pool=5") == "ran"
        os.utime(folder / "job.json", ns=(1, 1 if folder == old else 2))
    assert fake_job(tmp_path / "c", 0.9, "pool=10") == "ran"
    assert sweep_table(tmp_path)["job"].tolist() == ["b", "c"]
    write_sweep(tmp_path)
    assert "1 jobs with the same options ran on earlier data" in capsys.readouterr().out
    assert fake_job(old, 0.3, "pool=5") == "kept"
    assert sweep_table(tmp_path)["job"].tolist() == ["a", "c"]
