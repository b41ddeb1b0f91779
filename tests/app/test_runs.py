"""Every job gets its own W&B run, closed however the job ends; a run's content and checkpoints go into it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from explainsal.app.runs import build_loggers, open_run
from explainsal.tracking.loggers import log_weights, wandb_loggers


class FakeRun:
    """Remembers what it is asked for."""

    offline = True

    def __init__(self, **options):
        self.options, self.artifacts, self.ends = options, [], []
        self.id = options["id"] or f"run{len(FakeRun.all)}"
        self.name = self.id
        self.dir = str(Path(options["dir"]) / "wandb" / self.id / "files")
        FakeRun.all.append(self)

    def _log_artifact(self, artifact, aliases, use_after_commit, **_):
        self.artifacts.append((artifact.name, artifact.type, aliases, use_after_commit))

    def log_artifact(self, artifact, aliases=None):
        self._log_artifact(artifact, aliases, use_after_commit=False)

    def log(self, values):
        pass

    def finish(self, exit_code):
        self.ends.append(exit_code)


@pytest.fixture
def runs(monkeypatch):
    import wandb

    monkeypatch.setenv("WANDB_MODE", "offline")
    FakeRun.all = []
    monkeypatch.setattr(wandb, "init", FakeRun)
    return FakeRun.all


def config(folder: Path, **more):
    node = {"_target_": "explainsal.tracking.wandb.build_wandb_logger", "save_dir": str(folder), "project": "p"}
    return OmegaConf.create({"paths": {"output": str(folder)}, "logger": {"wandb": node}, **more})


def job(cfg):
    with open_run(cfg, "job") as run:
        for logger in wandb_loggers(run.loggers):
            logger.log_metrics({"a": 1.0})
        if cfg.get("error"):
            raise KeyboardInterrupt if cfg.error == "stop" else ValueError(cfg.error)
        return len(run.loggers)


def test_each_job_has_its_own_run_and_closes_it(tmp_path, runs):
    assert [job(config(tmp_path / name)) for name in ("one", "two")] == [1, 1]
    assert [run.options["job_type"] for run in runs] == ["job", "job"]
    assert [run.ends for run in runs] == [[0], [0]]
    assert runs[0].options["dir"] != runs[1].options["dir"]


@pytest.mark.parametrize(("error", "kind"), [("boom", ValueError), ("stop", KeyboardInterrupt)])
def test_a_job_that_fails_closes_its_run_as_failed_with_its_checkpoints(tmp_path, runs, error, kind):
    (tmp_path / "checkpoints").mkdir()
    torch.save({"epoch": 1}, tmp_path / "checkpoints/last.ckpt")
    with pytest.raises(kind):
        job(config(tmp_path, error=error))
    (run,) = runs
    assert run.ends == [1]
    assert run.artifacts == [("model-last", "model", ["last"], False)]


def test_a_job_that_fails_before_it_logs_leaves_no_run(tmp_path, runs):
    with pytest.raises(ValueError, match="no data"), open_run(config(tmp_path), "job"):
        raise ValueError("no data")
    assert runs == []


def test_without_a_logger_nothing_is_logged(tmp_path, runs):
    assert job(OmegaConf.create({"paths": {"output": str(tmp_path)}, "logger": None})) == 0
    assert runs == []


def test_the_run_of_a_resumed_checkpoint_goes_on_unless_another_is_asked_for(tmp_path, runs):
    torch.save({"wandb_run_id": "first"}, tmp_path / "last.ckpt")
    (logger,) = build_loggers(config(tmp_path, resume=str(tmp_path / "last.ckpt")), "train")
    assert logger.experiment.id == "first"
    cfg = config(tmp_path, resume=str(tmp_path / "last.ckpt"))
    cfg.logger.wandb.id = "mine"
    (logger,) = build_loggers(cfg, "train")
    assert logger.experiment.id == "mine"
    (logger,) = build_loggers(config(tmp_path, resume=str(tmp_path / "absent.ckpt")), "train")
    assert logger.experiment.id == "run2"


def test_weights_that_were_used_are_an_input_named_like_the_output_of_their_run(tmp_path, runs):
    torch.save({"wandb_run_id": "first"}, tmp_path / "best.ckpt")
    (logger,) = build_loggers(config(tmp_path), "evaluate")
    log_weights(logger, str(tmp_path / "best.ckpt"))
    log_weights(logger, None)
    log_weights(logger, str(tmp_path / "absent.ckpt"))
    assert runs[0].artifacts == [("model-first", "model", None, True)]
