"""The benchmark for GPU machines runs tiny on a CPU, without what such a machine may lack."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCKED = ("hydra", "omegaconf", "albumentations", "wandb", "kornia", "cv2", "matplotlib")
PROGRAM = f"""
import runpy, sys
for name in {BLOCKED}:
    sys.modules[name] = None  # an import raises ImportError
sys.argv = ["gpu.py", "--smoke", "--out", sys.argv[1]]
runpy.run_path("benchmarks/gpu.py", run_name="__main__")
"""


@pytest.mark.slow
def test_the_smoke_run_writes_its_table_without_optional_packages(tmp_path):
    out = tmp_path / "table.md"
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(out)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [line for line in out.read_text().splitlines() if line.startswith("| ")]
    assert sum("`normalized`" in row for row in rows) == sum("`sparse`" in row for row in rows) == 2
    assert "commit" in out.read_text()
