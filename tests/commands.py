"""Run the project's commands as a user does: own process, another working folder, tiny generated data.

`run` forks a process that has imported everything (tests/warm.py); `start` starts a Python of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.warm import warm_python

TINY = (
    "+experiment=demo", "model.width=4", "model.input_size=[24,32]", "data.sizes={train:16,val:4,test:6}",
    "data.image_size=[48,64]", "data.num_workers=0", "trainer=cpu", "trainer.max_epochs=1",
    "evaluation.explain_images=2", "nulls=[]",
    "callbacks.progress._target_=lightning.pytorch.callbacks.TQDMProgressBar",
)  # fmt: skip


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", f"explainsal.{name}", *arguments]


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", "COLUMNS": "200"}


def run(
    folder: Path, name: str, *arguments: str, code: int = 0, timeout: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run to the end and expect this exit code; the output is in the failure's message."""
    done = subprocess.run(
        [warm_python(), *command(name, *arguments)[1:]],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done


def start(folder: Path, name: str, *arguments: str, warm: bool = False) -> subprocess.Popen[str]:
    """Start, to be stopped by the test; if warm, by SIGINT or SIGTERM only."""
    python = warm_python() if warm else sys.executable
    return subprocess.Popen(
        [python, *command(name, *arguments)[1:]], cwd=folder, env=environment(), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def wandb_records(file: Path) -> list:
    """Every record of an offline W&B run: its file is a LevelDB log of protobuf messages behind a header of 7 bytes."""
    from wandb.proto import wandb_internal_pb2

    data, position, block, message, records = file.read_bytes(), 7, 32768, b"", []
    while position + 7 <= len(data):
        if block - position % block < 7:  # no header fits any more: the rest of the block is padding
            position += block - position % block
            continue
        length, kind = int.from_bytes(data[position + 4 : position + 6], "little"), data[position + 6]
        message += data[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            records.append(wandb_internal_pb2.Record.FromString(message))
            message = b""
    return records
