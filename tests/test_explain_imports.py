"""Explaining a photo costs no imports that only training and evaluation need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

SLOW = (
    "lightning",
    "torchmetrics",
    "torch._dynamo",
    "sympy",
    "scipy.signal",
    "scipy.io",
    "gdown",
    "requests",
    "albumentations",
)
COMMAND = """
import json, runpy, sys
sys.argv[1:] = {arguments}
runpy.run_module("explainsal.explain", run_name="__main__", alter_sys=True)
print(json.dumps([name for name in {slow} if name in sys.modules]))
"""


def test_a_photo_is_explained_without_lightning_and_the_compiler_of_torch(tmp_path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 48, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    network = ["model=cmrnet", "model.width=4", "model.input_size=[16,24]", "explainer.layers=conv"]
    arguments = [f"image={tmp_path}/a.png", f"paths.output={tmp_path}/run", *network]
    code = COMMAND.format(arguments=arguments, slow=SLOW)
    made = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(made.stdout.splitlines()[-1]) == []
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_missing_photo_is_reported_before_torch_is_imported(tmp_path: Path) -> None:
    code = """
import atexit, runpy, sys
atexit.register(lambda: print("torch" in sys.modules))
sys.argv[1:] = ["image=nothing_here.jpg"]
runpy.run_module("explainsal.explain", run_name="__main__", alter_sys=True)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (made.returncode, made.stdout.strip()) == (2, "False")
    assert f"no such picture or folder: {tmp_path / 'nothing_here.jpg'}" in made.stderr
