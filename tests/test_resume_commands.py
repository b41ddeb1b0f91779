"""Trainings that were killed, that had finished, or that go on with other options, by command."""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.commands import TINY, run, start

pytestmark = pytest.mark.slow
EPOCHS = 5
OPTIONS = (*TINY, "data.sizes={train:48,val:4,test:4}", "data.batch_size=2", "data/augmentation=modest",
           f"trainer.max_epochs={EPOCHS}", "evaluation.presets=[]")  # fmt: skip


def checkpoint(folder: Path, name: str) -> dict:
    return torch.load(folder / "checkpoints" / f"{name}.ckpt", weights_only=True)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the run ``whole``, which nothing interrupted."""
    folder = tmp_path_factory.mktemp("work")
    run(folder, "train", *OPTIONS, "evaluate=false", "hydra.run.dir=whole")
    return folder


@pytest.mark.parametrize(("workers", "goes_on_in"), [(0, "killed0"), (2, "revived2")])
def test_after_kill_9_it_is_the_uninterrupted_one_to_the_bit(work: Path, workers: int, goes_on_in: str) -> None:
    """In the folder of the killed run, or in another one."""
    options = (*OPTIONS, "evaluate=false", f"data.num_workers={workers}")
    killed, revived = work / f"killed{workers}", work / goes_on_in
    process = start(work, "train", *options, f"hydra.run.dir={killed.name}")
    last = killed / "checkpoints" / "last.ckpt"
    while not (last.is_file() and torch.load(last, weights_only=True)["epoch"] >= 1):
        assert process.poll() is None, process.communicate()[0][-3000:]
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=60)
    assert 1 <= checkpoint(killed, "last")["epoch"] < EPOCHS - 1
    run(work, "train", *options, f"resume={last}", f"hydra.run.dir={revived.name}")
    for name in ("last", "best"):
        expected, actual = (checkpoint(folder, name) for folder in (work / "whole", revived))
        for part in ("state_dict", "optimizer_states", "lr_schedulers"):
            torch.testing.assert_close(actual[part], expected[part], rtol=0, atol=0)
        assert (actual["epoch"], actual["global_step"]) == (expected["epoch"], expected["global_step"])
    expected, actual = (pd.read_csv(folder / "metrics.csv") for folder in (work / "whole", revived))
    pd.testing.assert_frame_equal(actual, expected, check_exact=True)


def test_a_finished_training_is_evaluated(work: Path) -> None:
    last = work / "whole" / "checkpoints" / "last.ckpt"
    done = run(work, "train", *OPTIONS, f"resume={last}", "hydra.run.dir=finished")
    assert "Traceback" not in done.stdout + done.stderr
    for name in ("best", "last"):
        assert checkpoint(work / "finished", name)["global_step"] == checkpoint(work / "whole", name)["global_step"]
    run(work, "evaluate", f"checkpoint={work}/whole/checkpoints/best.ckpt", "data=synthetic", "data.num_workers=0",
        "data.image_size=[48,64]", "data.sizes={train:48,val:4,test:4}", "trainer=cpu", "evaluation.presets=[]",
        "hydra.run.dir=direct")  # fmt: skip
    scores = [pd.read_csv(work / name / "results.csv").query("model == 'deep'") for name in ("finished", "direct")]
    pd.testing.assert_frame_equal(*scores, check_exact=True)


def test_more_epochs_and_another_rate_are_honoured_and_said(work: Path) -> None:
    last = work / "whole" / "checkpoints" / "last.ckpt"
    more = ("evaluate=false", f"resume={last}", f"trainer.max_epochs={EPOCHS + 2}", "module/scheduler=cosine")
    whole = run(work, "train", *OPTIONS, *more[:1], *more[2:], "module.optimizer.lr=0.02", "hydra.run.dir=longer_whole")
    assert "other options" not in whole.stdout
    done = run(work, "train", *OPTIONS, *more, "module.optimizer.lr=0.02", "hydra.run.dir=longer")
    assert "the checkpoint was made with other options (lr" in done.stdout
    rates = [
        checkpoint(work / name, "last")["optimizer_states"][0]["param_groups"][0]["lr"]
        for name in ("longer", "longer_whole")
    ]
    assert rates[0] == pytest.approx(rates[1], rel=1e-12)
    refused = run(work, "train", *OPTIONS, *more, "module/optimizer=sgd", code=2)
    assert "another optimizer" in refused.stderr
    refused = run(work, "train", *OPTIONS, "evaluate=false", f"resume={last}", "trainer.max_epochs=2", code=2)
    assert "give a larger one" in refused.stderr
