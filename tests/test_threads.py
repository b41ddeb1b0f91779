"""How many threads a process takes, and that they sleep while they wait."""

import math
import os
import subprocess
import sys

import pytest

from explainsal import threads


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, 1.5),
        ({"cpu.max": "max 100000\n"}, math.inf),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 4.0),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, math.inf),
        ({}, math.inf),
    ],
)
def test_a_container_says_how_much_it_may_use(tmp_path, files, expected):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert threads.container_quota(tmp_path) == expected


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
def test_a_container_says_how_much_memory_it_has(tmp_path, name):
    whole = threads.usable_memory(tmp_path)
    assert whole > 10**8
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("4096\n")
    assert threads.usable_memory(tmp_path) == 4096
    (tmp_path / name).write_text("max\n")
    assert threads.usable_memory(tmp_path) == whole


def test_no_more_threads_than_cores_or_than_asked_for(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(threads, "container_quota", lambda: 0.5)
    assert threads.usable_cores() == 1
    monkeypatch.setattr(threads, "container_quota", lambda: math.inf)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    assert threads.usable_cores() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert threads.usable_cores() == 5


def test_importing_the_package_makes_threads_sleep_while_they_wait():
    code = "import os, explainsal; print(os.environ['OMP_WAIT_POLICY'], os.environ['GOMP_SPINCOUNT'])"
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    said = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True).stdout
    assert said.split() == ["PASSIVE", "0"]
