"""Jobs of a sweep: equal keys for equal jobs, redone unless done, and a table that says what failed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from explainsal.errors import MissingFilesError
from explainsal.reporting.sweep import job_key, read_job, recorded_job, sweep_table, write_sweep


def config(**changes) -> dict:
    osie = {
        "_target_": "explainsal.datamodules.osie.OSIEDataModule",
        "root": "/a",
        "num_workers": 3,
        "eval_split": "val",
    }
    return {"data": osie, "explainer": {"pool_size": 10}, "seed": 0, "paths": {"output": "/runs/1"}, **changes}


def test_a_key_does_not_depend_on_places_or_workers(tmp_path: Path) -> None:
    moved = config(paths={"output": "/elsewhere/2"}, logger={"csv": 1}, hydra={"job": {"num": 7}})
    moved["data"] = {**moved["data"], "root": "/b", "num_workers": 0}
    assert job_key(moved) == job_key(config())
    for name in ("a.ckpt", "b.ckpt"):
        (tmp_path / name).write_bytes(b"same weights")
    same = [job_key(config(checkpoint=str(tmp_path / name))) for name in ("a.ckpt", "b.ckpt")]
    (tmp_path / "a.ckpt").write_bytes(b"other weights")
    assert same[0] == same[1] != job_key(config(checkpoint=str(tmp_path / "a.ckpt")))


@pytest.mark.parametrize("changes", [{"seed": 1}, {"explainer": {"pool_size": 20}}, {"nulls": ["shuffled_filters"]}])
def test_a_key_depends_on_what_decides_the_numbers(changes: dict) -> None:
    assert job_key(config(**changes)) != job_key(config())


def test_pictures_of_ones_own_are_told_apart_by_their_folder() -> None:
    folder = {"_target_": "explainsal.datamodules.folder.FolderDataModule"}
    assert job_key(config(data={**folder, "root": "/a"})) != job_key(config(data={**folder, "root": "/b"}))


def run_job(folder: Path, value: float, override: str, commit: str = "c1", crash: bool = False) -> bool:
    with recorded_job(folder, ["+sweep=grid", override], commit) as missing:
        if missing:
            assert sorted(p.name for p in folder.iterdir() if p.name != ".hydra") == ["job.json"]
            (folder / "explanation" / "sparse").mkdir(parents=True)
            if crash:
                raise ValueError("top_k must be at least 1")
            rows = [("explanation", "a", value, 0.5), ("explanation", "b", value + 0.1, 0.7),
                    ("shuffled_filters", "a", 0.2, 0.1), ("shuffled_filters", "b", 0.4, 0.1)]  # fmt: skip
            table = pd.DataFrame(rows, columns=["variant", "image", "cc_to_deep", "layer_correlation"])
            table.to_csv(folder / "explanation" / "sparse" / "fidelity.csv", index=False)
    return missing


def test_only_what_is_missing_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "x" / ".hydra").mkdir(parents=True)
    with pytest.raises(ValueError, match="top_k"):
        run_job(tmp_path / "x", 0.8, "explainer.top_k=5", crash=True)
    assert read_job(tmp_path / "x")["status"] == "failed"
    assert run_job(tmp_path / "x", 0.8, "explainer.top_k=5")  # what the crash left is gone
    assert not run_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    assert "commit" not in capsys.readouterr().out
    assert not run_job(tmp_path / "x", 0.8, "explainer.top_k=5", commit="c2")
    assert "kept from commit c1, this is c2" in capsys.readouterr().out
    assert (tmp_path / "x" / ".hydra").is_dir()


def test_a_killed_job_runs_again(tmp_path: Path) -> None:
    job = recorded_job(tmp_path / "x", ["explainer.top_k=5"], "c1")
    job.__enter__()  # and never left, as after kill -9
    assert read_job(tmp_path / "x")["status"] == "running"
    assert run_job(tmp_path / "x", 0.8, "explainer.top_k=5")


def test_the_table_has_measures_and_reasons(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    with pytest.raises(ValueError, match="top_k"):
        run_job(tmp_path / "y", 0.8, "explainer.top_k=-1", crash=True)
    table = pd.read_csv(write_sweep(tmp_path)).set_index("job")
    assert "job y failed: ValueError: top_k must be at least 1" in capsys.readouterr().out
    done = table.loc["x"]
    assert (done["explainer.top_k"], done["status"]) == (5, "done")
    assert done["cc_to_deep"] == pytest.approx(0.85)
    assert done["shuffled_filters_cc_to_deep"] == pytest.approx(0.3)
    assert done["shuffled_filters_gap"] == pytest.approx(0.55)
    assert done["layer_correlation"] == pytest.approx(0.6)
    assert "sweep" not in table.columns  # the same in every job
    assert pd.isna(table.loc["y", "cc_to_deep"])


def test_a_folder_without_jobs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="no jobs"):
        sweep_table(tmp_path)
