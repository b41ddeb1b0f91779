"""What stands beside a model on data without a training split."""

import csv

import numpy as np
import pytest
from PIL import Image

from explainsal.datamodules.folder import FolderDataModule
from explainsal.workflows.baselines import available, information_gain_baseline


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
    assert "no training split to learn a centre bias from" in caplog.text
    assert ("center_bias_loo) takes its place" in caplog.text) == bool(instead)
    assert (information_gain_baseline(datamodule)[0] is not None) == bool(instead)


def test_nothing_changes_where_there_is_a_training_split_or_no_centre_bias_is_wanted(tmp_path, caplog):
    datamodule = folder(tmp_path, 3)
    assert available(["chance"], datamodule) == ["chance"]
    divided = FolderDataModule(str(tmp_path), num_workers=0, batch_size=2, fold=0, folds=3)
    assert available(["center_bias", "chance"], divided) == ["center_bias", "chance"]
    assert not caplog.text
