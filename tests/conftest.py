"""What every test may ask for: the shared fixtures folder, a seed; and one thread where tests run side by side."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
collect_ignore = ["reference/pysaliency_reads.py"]  # a script for another environment, which has pysaliency

# A job in the background of a shell ignores Ctrl-C, and so would every command that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests side by side share the cores, and so do the commands that they start.
if os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference values and OSIE; its pictures may not be committed, so it can be absent."""
    folder = Path(os.environ.get("EXPLAINSAL_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        reason = f"no shared fixtures at {folder}: set EXPLAINSAL_SHARED to the folder that holds fixtures/ and data/"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
