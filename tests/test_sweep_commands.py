"""Real sweeps: what is done stays done, what crashed or was killed is done again, whichever launcher runs the jobs."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.commands import TINY, run, start, wandb_records

pytestmark = pytest.mark.slow

SWEEP = ("-m", *TINY, "+sweep=grid", "evaluate=false", "hydra.sweep.dir=outputs/sweep")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


def records(sweep: Path) -> dict[str, dict]:
    """Every job's record, by its folder's name."""
    return {path.parent.name: json.loads(path.read_text()) for path in sweep.glob("*/job.json")}


def test_a_sweep_that_is_killed_goes_on_with_what_is_missing(folder):
    command, sweep = (*SWEEP, "seed=0,1,2"), folder / "outputs/sweep"
    process = start(folder, "train", *command)
    deadline = time.monotonic() + 200
    while sorted(job["status"] for job in records(sweep).values()) != ["done", "running"]:
        assert process.poll() is None, process.communicate()[0][-3000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (first,) = (job for job in records(sweep).values() if job["status"] == "done")
    assert not (sweep / "sweep.csv").exists()
    done = run(folder, "train", *command)
    assert "3 of 3 jobs done" in done.stdout
    after = records(sweep)
    assert first in after.values()  # with its seconds: it did not run again
    assert {job["status"] for job in after.values()} == {"done"}
    table = pd.read_csv(sweep / "sweep.csv")
    assert sorted(table["seed"]) == [0, 1, 2]
    assert table["val/cc"].between(-1, 1).all()
    assert table["front"].any()
    assert {path.name for path in (sweep / "figures").glob("*.png")} == {"parallel.png", "front.png"}


@pytest.mark.parametrize(("launcher", "extra"), [("joblib", "joblib"), ("submitit_local", "submitit")])
def test_jobs_in_other_processes_resume_too_and_a_crash_ends_none_but_its_own(folder, launcher, extra):
    if importlib.util.find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
        pytest.skip(f'hydra/launcher={extra} is not installed: pip install "explainsal[{extra}]"')
    sweep = folder / "outputs" / launcher
    command = (*SWEEP[:-1], f"hydra.sweep.dir={sweep}", f"+launcher={launcher}", "module.optimizer.lr=-1,1e-3")
    crashed = run(folder, "train", *command, code=1)
    assert "ValueError: Invalid learning rate: -1" in crashed.stdout
    assert "1 of 2 jobs done" in crashed.stdout
    before = records(sweep)
    assert sorted(job["status"] for job in before.values()) == ["done", "failed"]
    assert pd.read_csv(sweep / "sweep.csv").set_index("status").loc["done", "val/cc"] <= 1
    if launcher == "joblib":  # where a job runs is not what it is: without the launcher what is done stays so
        again = run(folder, "train", *command[:-2], "module.optimizer.lr=1e-3")
        assert "1 of 2 jobs done" in again.stdout
        assert records(sweep) == before


def test_a_search_goes_on(folder):
    pytest.importorskip("optuna", reason='the search needs Optuna: pip install "explainsal[search]"')
    sweep = folder / "outputs/search"
    command = (
        "-m",
        *TINY[:1],
        *TINY[2:],
        "+sweep=search_training",
        "model.width=choice(4,6)",
        f"hydra.sweep.dir={sweep}",
        "logger=wandb",
    )
    run(folder, "train", *command, "hydra.sweeper.n_trials=1")
    before = records(sweep)
    done = run(folder, "train", *command, "hydra.sweeper.n_trials=2")
    assert "1 of 2 trials to go" in done.stdout
    assert "2 of 2 jobs done" in done.stdout
    assert before.items() <= records(sweep).items()
    table = pd.read_csv(sweep / "sweep.csv")
    assert {"module.optimizer.lr", "val/cc", "cpu_seconds", "front"} <= set(table.columns)
    assert (sweep / "figures/front.png").is_file()
    runs = [wandb_records(file) for file in sweep.glob("*/wandb/offline-run-*/*.wandb")]
    assert len({record.run.run_id for records in runs for record in records if record.HasField("run")}) == 2
    assert [(records[-1].WhichOneof("record_type"), records[-1].exit.exit_code) for records in runs] == [
        ("exit", 0)
    ] * 2


def test_an_evaluate_sweep_shows_its_metrics_and_runs_again_when_its_data_change(folder):
    mine = folder / "mine"
    (mine / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(4):
        Image.fromarray(rng.integers(0, 255, (24, 32, 3), dtype=np.uint8)).save(mine / "images" / f"p{i}.png")

    def write_fixations(first: int) -> None:
        rows = [f"p{i},{first + 2 * k},{5 + k}" for i in range(4) for k in range(4)]
        (mine / "fixations.csv").write_text("\n".join(["image,x,y", *rows]) + "\n")

    options = ("data=folder", "data.root=mine", "data.num_workers=0", "trainer=cpu", "evaluation.baselines=[chance]")
    command = ("-m", "+sweep=grid", "model=center_gaussian,signature", *options, "hydra.sweep.dir=outputs/evaluations")
    tables = []
    for first in (3, None, 20):
        if first is not None:
            write_fixations(first)
        said = run(folder, "evaluate", *command).stdout
        assert "2 of 2 jobs done" in said
        assert ("2 jobs with the same options ran on earlier data" in said) == (first == 20)
        tables.append(pd.read_csv(folder / "outputs/evaluations/sweep.csv").dropna(axis=1, how="all"))
        assert {"model", "cc", "nss", "auc", "seconds"} <= set(tables[-1].columns)
        assert sorted(tables[-1]["model"]) == ["center_gaussian", "signature"]
    pd.testing.assert_frame_equal(tables[1], tables[0])  # with the seconds: nothing ran again
    assert set(tables[2]["nss"]).isdisjoint(tables[0]["nss"])
