"""The W&B logger: it never stops a run, its logs can be read back, and its files do not change."""

from __future__ import annotations

import errno
import json
import logging
import os
import socket
import sys
import time
from pathlib import Path

import pytest
import torch
from lightning import LightningModule, Trainer
from omegaconf import OmegaConf
from tests.commands import wandb_records
from torch.utils.data import DataLoader, TensorDataset

from explainsal.app.runs import build_loggers
from explainsal.tracking import wandb as ours

FULL = OSError(errno.ENOSPC, "No space left on device")


class Line(LightningModule):
    """Module with one weight, which logs two numbers per step and epoch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        loss = (self.weight * batch[0] - 1).square().mean()
        self.log("train/loss", loss)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def train(logger, folder, epochs=2, resume=None):
    trainer = Trainer(
        accelerator="cpu", max_epochs=epochs, logger=logger, default_root_dir=folder, enable_progress_bar=False,
        enable_model_summary=False, log_every_n_steps=1, callbacks=[ours.RunIdInCheckpoint(logger)],
    )  # fmt: skip
    trainer.fit(Line(), DataLoader(TensorDataset(torch.ones(4, 1)), batch_size=2), ckpt_path=resume, weights_only=True)
    trainer.save_checkpoint(folder / "last.ckpt")
    return trainer


class Breaks:
    """A run of wandb whose methods all raise; it has only an id and a folder."""

    id, name = "abc", "abc"

    def __init__(self, folder):
        self.dir = str(folder / "wandb" / "run" / "files")

    def __getattr__(self, part):
        raise RuntimeError(f"no {part} today")


@pytest.fixture(autouse=True)
def _offline(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_DATA_DIR", raising=False)


def warnings_of(caplog):
    return [r.getMessage() for r in caplog.records if r.name == ours.__name__ and r.levelno == logging.WARNING]


def use_everything(logger, folder):
    logger.log_hyperparams({"a": 1})
    logger.log_metrics({"table": object()})
    logger.log_summary({"x": 1.0})
    logger.log_files("model-x", "model", {"model.ckpt": folder / "last.ckpt"}, ["best"])
    logger.close()


@pytest.mark.parametrize("error", [FULL, RuntimeError("boom"), TimeoutError("no answer")])
def test_a_run_that_cannot_start_is_warned_of_once_and_training_goes_on(tmp_path, monkeypatch, caplog, error):
    import wandb

    tries = []

    def refuse(**_):
        tries.append(1)
        raise error

    monkeypatch.setattr(wandb, "init", refuse)
    logger = ours.build_wandb_logger(str(tmp_path))
    assert train(logger, tmp_path).global_step == 4
    use_everything(logger, tmp_path)
    assert len(tries) == 1
    (message,) = warnings_of(caplog)
    assert str(error) in message
    assert ours.run_id_in(tmp_path / "last.ckpt") is None


def test_a_run_whose_every_call_raises_is_warned_of_once_and_training_goes_on(tmp_path, monkeypatch, caplog):
    import wandb

    monkeypatch.setattr(wandb, "init", lambda **_: Breaks(tmp_path))
    logger = ours.build_wandb_logger(str(tmp_path))
    assert train(logger, tmp_path).global_step == 4
    use_everything(logger, tmp_path)
    assert len(warnings_of(caplog)) == 1
    assert ours.run_id_in(tmp_path / "last.ckpt") == "abc"


def test_without_wandb_the_logger_does_nothing_and_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "wandb", None)
    logger = ours.build_wandb_logger(str(tmp_path))
    assert logger is None
    assert "pip install" in warnings_of(caplog)[0]
    node = {"_target_": "explainsal.tracking.wandb.build_wandb_logger", "save_dir": str(tmp_path)}
    assert build_loggers(OmegaConf.create({"logger": {"wandb": node}}), "train") == []


def test_settings_that_wandb_refuses_switch_it_off(tmp_path, monkeypatch, caplog):
    import wandb

    def refuse(**_):
        raise ValueError("WANDB_SOMETHING is no number")

    monkeypatch.setattr(wandb, "Settings", refuse)
    assert ours.build_wandb_logger(str(tmp_path)) is None
    assert "WANDB_SOMETHING" in warnings_of(caplog)[0]


def test_ctrl_c_is_no_failure_of_logging(tmp_path):
    logger = ours.build_wandb_logger(str(tmp_path))

    def press():
        with logger.guarded("anything"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        press()


def test_a_disk_that_is_full_at_the_end_is_told(tmp_path, monkeypatch, caplog):
    import wandb

    class Quiet:
        id = "abc"

        def finish(self, exit_code):
            assert exit_code == 1

    monkeypatch.setattr(wandb, "init", lambda **_: Quiet())
    monkeypatch.setattr(ours.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 4096}))
    logger = ours.build_wandb_logger(str(tmp_path))
    assert logger.experiment.id == "abc"
    logger.close(failed=True)
    assert "No space left" in warnings_of(caplog)[0]


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_checkpoint_without_a_run_has_no_run(tmp_path, content):
    path = tmp_path / "a.ckpt"
    if content is not None:
        path.write_bytes(content)
    assert ours.run_id_in(path) is None
    torch.save({"epoch": 3}, path)
    assert ours.run_id_in(path) is None


def test_staged_files_stay_as_they_were(tmp_path):
    checkpoint, table = tmp_path / "last.ckpt", tmp_path / "layers.csv"
    checkpoint.write_bytes(b"old"), table.write_bytes(b"old")
    staged = [ours._stage(tmp_path / "kept" / file.name, file) for file in (checkpoint, table)]
    assert os.stat(staged[0]).st_nlink == 2  # a checkpoint takes no extra space
    newer = tmp_path / ".last.ckpt.partial"
    newer.write_bytes(b"new")
    os.replace(newer, checkpoint)  # like AtomicCheckpointIO
    table.write_bytes(b"new")
    assert [path.read_bytes() for path in staged] == [b"old", b"old"]


@pytest.fixture
def service_of_its_own():
    """Let the next test start a new process of wandb, whatever the test does to it."""
    yield
    ours._forget_dead_service()  # otherwise commands started here would connect to it


@pytest.mark.slow
@pytest.mark.usefixtures("service_of_its_own")
def test_a_resumed_training_goes_on_in_the_same_run_even_when_the_service_dies(tmp_path, caplog):
    """Two real offline runs; in the second, wandb's process is killed."""
    first = ours.build_wandb_logger(str(tmp_path / "first"), project="explainsal")
    train(first, tmp_path)
    run_id = first.version
    first.close()
    assert ours.run_id_in(tmp_path / "last.ckpt") == run_id
    second = ours.build_wandb_logger(str(tmp_path / "second"), project="explainsal", id=run_id)
    trainer = train(second, tmp_path, epochs=4, resume=str(tmp_path / "last.ckpt"))
    assert trainer.global_step == 8
    steps = [
        [json.loads(item.value_json) for r in wandb_records(file) for item in r.history.item
         if "trainer/global_step" in (item.key, *item.nested_key)]
        for file in sorted(tmp_path.rglob(f"*{run_id}.wandb"), key=lambda p: p.stat().st_mtime)[:1]
    ]  # fmt: skip
    assert steps == [[0, 1, 2, 3]]
    assert warnings_of(caplog) == []
    for pid in children(os.getpid()):
        os.kill(pid, 9)
    second.log_metrics({"after": 1.0}, step=9)
    use_everything(second, tmp_path)
    assert len(warnings_of(caplog)) == 1


def children(parent: int) -> list[int]:
    """Return the processes of wandb started by this process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, status = (folder / "cmdline").read_text(), (folder / "stat").read_text()
        except OSError:
            continue
        if "wandb" in command and int(status.rsplit(")", 1)[1].split()[1]) == parent:
            found.append(int(folder.name))
    return found


@pytest.mark.parametrize("address", ["3-1-unix-{}/socket", "3-1-tcp-localhost-1", "of another version"])
def test_a_service_that_is_gone_is_forgotten(tmp_path, monkeypatch, address):
    monkeypatch.setenv("WANDB_SERVICE", address.format(tmp_path))
    ours._forget_dead_service()
    assert "WANDB_SERVICE" not in os.environ


def test_a_service_that_answers_is_kept(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as unix, socket.socket() as tcp:
        unix.bind(str(tmp_path / "s"))
        tcp.bind(("localhost", 0))
        for server, address in ((unix, f"3-1-unix-{tmp_path}/s"), (tcp, f"3-1-tcp-localhost-{tcp.getsockname()[1]}")):
            server.listen()
            monkeypatch.setenv("WANDB_SERVICE", address)
            ours._forget_dead_service()
            assert os.environ["WANDB_SERVICE"] == address


@pytest.mark.slow
@pytest.mark.usefixtures("service_of_its_own")
def test_the_next_run_of_a_process_is_logged_though_the_service_of_the_first_was_killed(tmp_path, caplog):
    for name in ("first", "second"):
        logger = ours.build_wandb_logger(str(tmp_path / name), project="explainsal")
        logger.log_metrics({"a": 1.0})
        logger.close()
        for pid in children(os.getpid()):
            os.kill(pid, 9)
        time.sleep(0.2)
    assert warnings_of(caplog) == []
    (file,) = (tmp_path / "second").glob("wandb/offline-run-*/*.wandb")
    assert file.stat().st_size > 0
