"""Ctrl-C and SIGTERM at every stage of a command: one message, the right exit code, nothing that hangs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tests.commands import TINY, start

pytestmark = pytest.mark.slow
ENDS = {signal.SIGINT: ("Interrupted.", 130), signal.SIGTERM: ("Terminated.", 143)}
BOTH = pytest.mark.parametrize("how", ENDS, ids=lambda how: how.name)
MANY = ("data.sizes={train:4,val:4,test:60}", "data.image_size=[24,32]", "data.batch_size=1", "data.num_workers=0")
TWO = ("trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work")


def stop_at(text: str, how: signal.Signals, process: subprocess.Popen[str], *, timeout: float = 60) -> str:
    """Send a signal when the command prints this, and return all that it printed until it ended."""
    assert process.stdout is not None
    seen = ""
    while text not in seen:
        line = process.stdout.readline()
        assert line, f"{text} never came:\n{seen}"
        seen += line
    time.sleep(0.3)
    process.send_signal(how)
    return seen + process.communicate(timeout=timeout)[0]


def assert_ended(output: str, process: subprocess.Popen[str], how: signal.Signals) -> None:
    message, code = ENDS[how]
    assert process.returncode == code, output[-3000:]
    assert output.count("explainsal: ") == 1, output[-3000:]
    assert f"explainsal: {message}" in output
    assert "Traceback" not in output, output[-5000:]


SLOW_MODEL = """
import time, torch
class Slow(torch.nn.Module):
    def forward(self, images):
        print("a batch begins", flush=True)
        time.sleep(1)
        return images.float().mean(1, keepdim=True)
"""


def evaluate_slowly(folder: Path, *more: str, warm: bool = True) -> subprocess.Popen[str]:
    (folder / "slow.py").write_text(SLOW_MODEL)
    options = ("+model._target_=slow.Slow", "data=synthetic", *MANY, "trainer=cpu", "evaluation.baselines=[]")
    return start(folder, "evaluate", *more[:1], *options, *more[1:], warm=warm)


@BOTH
@pytest.mark.parametrize("more", [("seed=0",), ("-m", "seed=0,1")], ids=["run", "multirun"])
def test_in_the_test_loop(folder: Path, how: signal.Signals, more: tuple[str, ...]) -> None:
    process = evaluate_slowly(folder, *more)
    assert_ended(stop_at("a batch begins", how, process), process, how)


def test_a_job_of_a_sweep_is_recorded_as_stopped(folder: Path) -> None:
    process = evaluate_slowly(folder, "-m", "+sweep=grid", "seed=0,1", "hydra.sweep.dir=outputs/sweep")
    output = stop_at("a batch begins", signal.SIGTERM, process)
    assert process.returncode == 143, output[-3000:]
    assert "explainsal: Terminated." in output
    (job,) = (json.loads(path.read_text()) for path in (folder / "outputs/sweep").glob("*/job.json"))
    assert job["status"] == "failed"
    assert "Terminated" in job["error"]


@BOTH
def test_in_a_training(folder: Path, how: signal.Signals) -> None:
    run = f"hydra.run.dir=outputs/{how.name}"
    process = start(folder, "train", *TINY, "trainer.max_epochs=5000", "evaluate=false", run, warm=True)
    last = folder / f"outputs/{how.name}/checkpoints/last.ckpt"
    while not last.is_file():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(how)
    output = process.communicate(timeout=60)[0]
    assert_ended(output, process, how)
    interrupted = last.with_name("interrupted.ckpt")
    assert f"resume={interrupted}" in output
    assert torch.load(interrupted, weights_only=True)["global_step"] > 0


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the libraries that a process has imported")
@BOTH
def test_during_the_imports(folder: Path, how: signal.Signals) -> None:
    process = start(folder, "train", *TINY)
    while "libtorch" not in Path(f"/proc/{process.pid}/maps").read_text():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(how)
    assert_ended(process.communicate(timeout=60)[0], process, how)


def wait_for_child(process: subprocess.Popen[str], argument: str) -> int:
    """The process id of a child that was started with this argument."""
    while True:
        assert process.poll() is None, process.communicate()[0][-3000:]
        for line in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                if argument in Path(f"/proc/{line}/cmdline").read_text():
                    return int(line)
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the processes of a distributed run")
@pytest.mark.parametrize(
    ("how", "receives"), [(signal.SIGINT, 1), (signal.SIGTERM, 0), (signal.SIGKILL, 1), (signal.SIGKILL, 0)]
)
def test_one_process_of_a_distributed_training(folder: Path, how: signal.Signals, receives: int) -> None:
    name = f"outputs/{how.name}-{receives}"
    process = start(folder, "train", *TINY, *TWO, "trainer.max_epochs=5000", "evaluate=false", f"hydra.run.dir={name}")
    other = wait_for_child(process, "hydra.job.name=")
    last = folder / name / "checkpoints/last.ckpt"
    while not last.is_file():
        assert process.poll() is None, process.communicate()[0][-5000:]
        time.sleep(0.01)
    os.kill(other if receives else process.pid, how)
    output = process.communicate(timeout=60)[0]
    if how != signal.SIGKILL:
        assert_ended(output, process, how)
        assert last.with_name("interrupted.ckpt").is_file()
    while not is_gone(other):
        time.sleep(0.1)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for the processes of a distributed run")
def test_the_test_loop_of_a_distributed_run(folder: Path) -> None:
    process = evaluate_slowly(folder, "seed=0", *TWO, warm=False)
    other = wait_for_child(process, "hydra.job.name=")
    assert_ended(stop_at("a batch begins", signal.SIGTERM, process), process, signal.SIGTERM)
    while not is_gone(other):
        time.sleep(0.1)


@pytest.mark.parametrize("more", [(), ("+sweep=grid",)], ids=["multirun", "sweep"])
def test_a_multirun_of_distributed_trainings(folder: Path, more: tuple[str, ...]) -> None:
    sweep = folder / "outputs" / f"two{len(more)}"
    options = ("-m", *TINY, *TWO, *more, "seed=0,1", "evaluate=false", f"hydra.sweep.dir={sweep}")
    process = start(folder, "train", *options, warm=False)
    output = process.communicate(timeout=300)[0]
    assert process.returncode == 0, output[-5000:]
    for name in ("best", "last"):
        assert len(list(sweep.glob(f"*/checkpoints/{name}.ckpt"))) == 2
    assert not list(sweep.glob("*-2"))  # no second folder of a job
