"""What stands beside a model on data without a training split."""

import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from explainsal.datamodules.folder import FolderDataModule
from explainsal.workflows.baselines import available, information_gain_baseline
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.scoring import prepare_metrics, with_ids


def folder(root, fixated):
    """A data set of one's own: pictures and fixations.csv, without splits.json."""
    (root / "images").mkdir()
    for i in range(3):
        Image.fromarray(np.full((12, 16, 3), 40 * i, dtype=np.uint8)).save(root / "images" / f"p{i}.png")
    with (root / "fixations.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("image", "x", "y"), *((f"p{i}", 3 + i, 4) for i in range(fixated))])
    return FolderDataModule(str(root), num_workers=0, batch_size=2)


@pytest.mark.parametrize(("fixated", "instead"), [(3, ["center_bias_loo"]), (1, [])])
def test_without_training_images_the_centre_bias_is_that_of_the_other_images(tmp_path, caplog, fixated, instead):
    datamodule = folder(tmp_path, fixated)
    assert available(["itti", "center_bias", "chance"], datamodule) == ["itti", *instead, "chance"]
    assert "no fixations to learn center_bias from" in caplog.text
    assert ("using center_bias_loo (of the other evaluated images)" in caplog.text) == bool(instead)
    assert (information_gain_baseline(datamodule)[0] is not None) == bool(instead)


def test_nothing_changes_where_there_is_a_training_split_or_no_centre_bias_is_wanted(tmp_path, caplog):
    datamodule = folder(tmp_path, 3)
    assert available(["chance"], datamodule) == ["chance"]
    divided = FolderDataModule(str(tmp_path), num_workers=0, batch_size=2, fold=0, folds=3)
    assert available(["center_bias", "chance"], divided) == ["center_bias", "chance"]
    assert not caplog.text


def with_maps(root, fixated):
    """The same with densities and two parts; the test part has the last image."""
    folder(root, 3)
    (root / "maps").mkdir()
    for i in range(3):
        Image.fromarray(np.arange(192, dtype=np.uint8).reshape(12, 16) + i).save(root / "maps" / f"p{i}.png")
    (root / "splits.json").write_text(json.dumps({"train": ["p0"], "test": ["p1", "p2"]}))
    rows = ["image,x,y", *(f"p{i},{3 + i},4" for i in fixated)]
    (root / "fixations.csv").write_text("\n".join(rows) + "\n")
    if not fixated:
        (root / "fixations.csv").unlink()
    shutil.rmtree(root / ".explainsal", ignore_errors=True)
    return FolderDataModule(str(root), num_workers=0, batch_size=2)


def test_densities_alone_are_scored_and_it_is_said_before_anything_starts(tmp_path, caplog):
    datamodule = with_maps(tmp_path, fixated=())
    datamodule.prepare_data()
    assert "test has densities and no fixations: CC, SIM and KLD are computed" in caplog.text
    assert available(["center_bias", "gold_standard", "chance"], datamodule) == ["chance"]
    new_metrics, gain_over = prepare_metrics(EvaluationOptions(), datamodule)
    assert set(new_metrics().columns) == {"cc", "sim", "kld"}
    assert gain_over == "none: fewer than two images with fixations"
    table = with_ids(pd.DataFrame({"model": ["m"], "index": [1], "cc": [0.5]}), datamodule.dataset("test"))
    assert table[["id", "fixations"]].to_numpy().tolist() == [["p2", 0]]


def test_without_fixations_in_training_the_centre_bias_is_that_of_the_other_images_too(tmp_path, caplog):
    datamodule = with_maps(tmp_path, fixated=(1, 2))
    datamodule.prepare_data()
    assert not caplog.text
    assert available(["center_bias", "chance"], datamodule) == ["center_bias_loo", "chance"]
    assert information_gain_baseline(datamodule)[1] == "center bias of the other evaluated images"
    assert {"cc", "nss", "ig", "sauc"} <= set(prepare_metrics(EvaluationOptions(), datamodule)[0]().columns)
