"""Every file of conf/trainer trains, evaluates and explains, with the options that its text recommends."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from tests.commands import TINY, run

from explainsal.app.cli import conf_dir

pytestmark = pytest.mark.slow
FILES = sorted((Path(conf_dir()) / "trainer").glob("*.yaml"))
MORE = {"ddp": ("trainer.accelerator=cpu", "trainer.devices=2")}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_trainer_trains_evaluates_and_explains(tmp_path: Path, file: Path) -> None:
    more = MORE.get(file.stem, ())
    assert all(option in file.read_text() for option in more)
    if file.stem == "gpu" and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    options = (*TINY, f"trainer={file.stem}", *more, "evaluation.presets=[paper]", "hydra.run.dir=run")
    run(tmp_path, "train", *options)
    results = pd.read_csv(tmp_path / "run/results.csv").dropna(subset=["mean"])
    assert {"deep", "center_bias", "chance"} <= set(results["model"])
    assert "explainable" in " ".join(results["model"])
    assert (tmp_path / "run/report.html").stat().st_size > 0
    assert (tmp_path / "run/checkpoints/best.ckpt").is_file()
