"""Ordinary mistakes and incomplete data, by command: one message, and before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.commands import TINY, run

pytestmark = pytest.mark.slow
NAMES = [f"p{i}" for i in range(8)]
SMALL = (
    "model=cmrnet", "model.width=4", "model.input_size=[24,32]", "data=folder", "data.root=mine", "data.batch_size=2",
    "data.num_workers=0", "trainer=cpu", "trainer.max_epochs=1", "evaluation.presets=[]",
    "callbacks.progress._target_=lightning.pytorch.callbacks.TQDMProgressBar",
)  # fmt: skip


def write_folder(
    root: Path, parts: dict[str, list[str]], *, fixated: list[str], maps: bool = False, damaged: str | None = None
) -> None:
    rng = np.random.default_rng(0)
    for kind in ("images", "maps") if maps else ("images",):
        (root / kind).mkdir(parents=True)
        for name in NAMES:
            values = rng.integers(0, 255, (24, 32, 3) if kind == "images" else (24, 32), dtype=np.uint8)
            Image.fromarray(values).save(root / kind / f"{name}.png")
    if fixated:
        rows = [f"{name},{x},{y}" for name in fixated for x, y in rng.integers(0, (32, 24), (9, 2)).tolist()]
        (root / "fixations.csv").write_text("\n".join(["image,x,y", *rows]) + "\n")
    if damaged:
        (root / "images" / f"{damaged}.png").write_bytes(b"no picture")
    (root / "splits.json").write_text(json.dumps(parts))


PARTS = {"train": NAMES[:4], "val": NAMES[4:6], "test": NAMES[6:]}


@pytest.mark.parametrize(("arguments", "message"), [
    (["trainer.max_epochs=three"], "trainer.max_epochs=three: this option is a whole number"),
    (["module.optimizer.lr=fast"], "module.optimizer.lr=fast: this option is a number"),
    (["data.batch_size=two"], "data.batch_size=two: this option is a whole number"),
    (["fit=null"], "fit=null: this is a group of options; give single ones (size, extra_data, teacher, share,"),
    (["data.batch_size=16", "+trainer.limit_train_batches=.5"], "limit_train_batches=1.0"),
    (["resume=my run (1)/last.ckpt"], "\"resume='my run (1)/last.ckpt'\""),
])  # fmt: skip
def test_wrong_values_are_one_message(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, "train", *TINY, "evaluate=false", *arguments, code=2)
    assert done.stderr.count("explainsal: ") == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_train_on_is_said_at_the_start(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", {**PARTS, "train": []}, fixated=NAMES)
    done = run(tmp_path, "train", *SMALL, code=2)
    assert "has no image to train on" in done.stderr
    assert "Sanity" not in done.stdout
    assert "Traceback" not in done.stderr


def test_without_validation_the_last_checkpoint_is_taken_and_said(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", {**PARTS, "val": []}, fixated=NAMES)
    done = run(tmp_path, "train", *SMALL, "hydra.run.dir=run")
    assert "no epoch was validated" in done.stdout + done.stderr
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {"last.ckpt"}
    assert "deep" in set(pd.read_csv(tmp_path / "run/results.csv")["model"])


def test_densities_alone_are_trained_on_and_what_cannot_be_scored_is_said_first(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", PARTS, fixated=[], maps=True)
    done = run(tmp_path, "train", *SMALL, "hydra.run.dir=run")
    said, _, _ = done.stdout.partition("Sanity")
    assert "CC, SIM and KLD are computed" in said
    assert "no fixations to learn center_bias from; it is omitted" in said
    assert set(pd.read_csv(tmp_path / "run/results.csv")["metric"]) == {"cc", "sim", "kld"}


def test_fixations_for_the_test_part_alone_are_enough_and_said_first(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", PARTS, fixated=PARTS["test"], maps=True)
    done = run(tmp_path, "train", *SMALL, "hydra.run.dir=run")
    said, _, after = done.stdout.partition("Sanity")
    assert "no fixations to learn center_bias from; using center_bias_loo" in said
    assert "no fixations" not in after
    assert "center_bias_loo" in set(pd.read_csv(tmp_path / "run/results.csv")["model"])


def test_a_damaged_picture_that_a_part_names_is_left_out(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", PARTS, fixated=NAMES, damaged="p1")
    options = ("model=chance", "data=folder", "data.root=mine", "data.num_workers=0", "trainer=cpu")
    done = run(tmp_path, "evaluate", *options, code=2)
    assert "p1.png" in done.stderr
    done = run(tmp_path, "evaluate", *options, "data.unreadable=skip")
    assert "1 images of train are skipped: p1" in done.stderr


def test_several_devices_are_not_used_for_pictures_and_that_is_said(tmp_path: Path) -> None:
    write_folder(tmp_path / "mine", PARTS, fixated=[])
    two = ("image=mine/images", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2")
    done = run(tmp_path, "predict", *two)
    assert "predicting runs in one process: trainer.devices=2 is ignored" in done.stdout
    small = ("explainer=paper", "evaluation.explain_images=1", "nulls=[]", "hydra.run.dir=run")
    done = run(tmp_path, "explain", *two, *small)
    assert "explaining pictures without fixations runs in one process" in done.stdout
    assert len(list((tmp_path / "run/maps").glob("*_explainable.png"))) == 1  # as evaluation.explain_images asks for
