"""Jobs of a sweep: equal keys for equal jobs, and redone unless done."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from tests.reporting.fake_sweep import fake_job

from explainsal.app.jobs import job_key, run_job
from explainsal.reporting.job_records import measures, read_job


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


def test_a_key_depends_on_what_is_in_folders_and_files(tmp_path: Path) -> None:
    """What ``.explainsal`` holds is made from the rest."""
    folder = {"_target_": "explainsal.datamodules.folder.FolderDataModule", "root": "${paths.data}/own"}
    data, maps = tmp_path / "own", tmp_path / "maps"
    for path in (data, maps, data / ".explainsal"):
        path.mkdir()
    (data / "fixations.csv").write_text("image,x,y\na,1,2\n")
    (maps / "a.png").write_bytes(b"map")
    jobs = {
        "data": config(data=folder),
        "domains": config(domains={"Hollywood": folder}),
        "predictions": config(predictions="${paths.data}/maps"),
    }

    def keys() -> dict[str, str]:
        places = {"data.root": data, "domains.Hollywood.root": data, "predictions": maps}
        return {name: job_key(job, lambda place: str(places[place])) for name, job in jobs.items()}

    before = keys()
    (data / ".explainsal" / "parsed.npz").write_bytes(b"cache")
    assert keys() == before
    (data / "fixations.csv").write_text("image,x,y\na,1,3\n")
    (maps / "a.png").write_bytes(b"other")
    assert not set(keys().values()) & set(before.values())


def test_an_evaluation_measures_the_metrics_of_its_model_and_of_its_explainable_map(tmp_path: Path) -> None:
    def evaluate() -> None:
        sparse = [("explainable/sparse", "cc", 0.35), ("explainable/sparse", "cc_to_deep", 0.9)]
        rows = [
            ("deep", "cc", 0.4),
            ("deep", "nss", 1.5),
            *sparse,
            ("explainable/paper", "cc", 0.1),
            ("chance", "cc", 0.0),
        ]
        table = pd.DataFrame(rows, columns=["model", "metric", "mean"])
        table.to_csv(tmp_path / "results.csv", index=False)

    found = run_job(tmp_path, {"seed": "1"}, "c1", evaluate)
    assert found is not None
    assert (found["cc"], found["nss"]) == (0.4, 1.5)
    assert found["explainable_cc"] == 0.35  # of the preset whose fidelity is reported
    assert "explainable_cc_to_deep" not in found


def test_only_what_is_missing_runs_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "x" / ".hydra").mkdir(parents=True)
    with pytest.raises(ValueError, match="top_k"):
        fake_job(tmp_path / "x", 0.8, "explainer.top_k=5", crash=True)
    assert read_job(tmp_path / "x")["status"] == "failed"
    assert measures(tmp_path / "x") is None
    assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5") == "ran"  # what the crash left is gone
    assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5") == "kept"
    assert "commit" not in capsys.readouterr().out
    assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5", commit="c2") == "kept"
    assert "kept the job of commit c1, now at c2" in capsys.readouterr().out
    assert (tmp_path / "x" / ".hydra").is_dir()


def test_a_job_measures_fidelity_distance_cost_and_what_it_returned(tmp_path: Path) -> None:
    fake_job(tmp_path / "x", 0.8, "explainer.top_k=5", returned={"val/cc": 0.25})
    found = measures(tmp_path / "x")
    assert found["val/cc"] == 0.25
    assert found["cc_to_deep"] == pytest.approx(0.85)
    assert found["shuffled_filters_cc_to_deep"] == pytest.approx(0.3)
    assert found["shuffled_filters_gap"] == pytest.approx(0.55)
    assert found["layer_correlation"] == pytest.approx(0.6)
    assert 0 <= found["cpu_seconds"] <= found["seconds"] + 0.1


WORKS = """
import sys
from pathlib import Path
from explainsal.app.jobs import run_job
run_job(Path(sys.argv[1]), {"explainer.top_k": "5"}, "c1", lambda: (print("works", flush=True), sys.stdin.read()))
"""


def test_a_job_is_left_to_the_process_that_works_at_it_until_that_is_killed(tmp_path, capsys) -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", WORKS, str(tmp_path / "x")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "works\n"
        assert read_job(tmp_path / "x")["status"] == "running"
        assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5") == "left"
        assert "another process runs this job" in capsys.readouterr().out
    finally:
        other.kill()
        other.communicate()
    assert read_job(tmp_path / "x")["status"] == "running"  # what a killed job says of itself
    assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5") == "ran"


def test_a_record_that_was_cut_short_counts_as_none(tmp_path: Path) -> None:
    fake_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    record = tmp_path / "x" / "job.json"
    record.write_text(json.dumps(json.loads(record.read_text()))[:40])
    assert fake_job(tmp_path / "x", 0.8, "explainer.top_k=5") == "ran"
