"""predict without a submission: a folder of maps, each whole or not there, gone on with after an interruption."""

import errno
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.data.lookalikes.pictures import write_picture

from explainsal.app.cli import conf_dir
from explainsal.classical.center_gaussian import CenterGaussian
from explainsal.errors import UserError
from explainsal.predict import predict
from explainsal.workflows import prediction

NAMES = ["0", "1", "sub/2", "3"]


@pytest.fixture
def cfg(tmp_path):
    for number, name in enumerate(NAMES):
        write_picture(tmp_path / "pictures" / f"{name}.png", (24, 32 + number), number)
    fixed = [f"paths.outputs={tmp_path}/outputs", f"paths.output={tmp_path}/run", f"image={tmp_path}/pictures"]

    def build(*overrides):
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            return compose("predict", [*fixed, "model=center_gaussian", "data.num_workers=0", *overrides])

    return build


def files(folder):
    return sorted(
        p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file() and not p.name.endswith(".lock")
    )


def count(monkeypatch, stop=None):
    """Note whose maps are computed, and stop as Ctrl-C does after so many."""
    seen, original = [], prediction.predicted_maps

    def counted(datamodule, dataset, *how):
        for index, values in original(datamodule, dataset, *how):
            if len(seen) == stop:
                raise KeyboardInterrupt
            seen.append(dataset.ids[index])
            yield index, values

    monkeypatch.setattr(prediction, "predicted_maps", counted)
    return seen


@pytest.mark.parametrize("form", ["npy", "png"])
def test_only_missing_maps_are_made_again(cfg, tmp_path, monkeypatch, form, capsys):
    with monkeypatch.context() as patched:
        seen = count(patched, stop=2)
        with pytest.raises(KeyboardInterrupt):
            predict(cfg(f"format={form}"))
    (parts,) = (tmp_path / "outputs/maps/pictures").glob("[!.]*")  # the lock beside it is hidden
    assert parts.name.endswith(".parts")
    assert files(parts) == sorted([*(f"{name}.{form}" for name in seen), "recipe.json"])
    again = count(monkeypatch)
    path = predict(cfg(f"format={form}"))
    assert "2 of 4 maps already exist" in capsys.readouterr().out
    assert sorted(seen + again) == sorted(NAMES)
    assert files(path) == sorted(f"{name}.{form}" for name in NAMES)
    assert files(path.parent) == sorted([*(f"{path.name}/{n}.{form}" for n in NAMES), f"{path.name}.json"])
    stored = np.load(path / "sub/2.npy") if form == "npy" else cv2.imread(str(path / "sub/2.png"), cv2.IMREAD_UNCHANGED)
    expected = CenterGaussian()(torch.zeros(1, 3, 24, 34))[0, 0].numpy()
    expected = expected if form == "npy" else np.rint(expected / expected.max() * 255).astype(np.uint8)
    np.testing.assert_allclose(stored, expected, rtol=1e-6)
    again.clear()
    (path / f"1.{form}").unlink()
    assert predict(cfg(f"format={form}")) == path
    assert again == ["1"]
    assert files(path) == sorted(f"{name}.{form}" for name in NAMES)


def test_maps_that_are_made_otherwise_lie_elsewhere_and_never_over_others(cfg, tmp_path):
    plain, blurred = predict(cfg()), predict(cfg("postprocessing.blur=3"))
    assert plain.parent == blurred.parent
    assert plain != blurred
    mine = tmp_path / "mine"
    mine.mkdir()
    assert predict(cfg(f"to={mine}")) == mine  # an empty folder is no one's
    with pytest.raises(UserError, match=r"mine was made in another way: postprocessing.*to=FOLDER"):
        predict(cfg(f"to={mine}", "postprocessing.blur=3"))
    with pytest.raises(UserError, match="not written by this command: choose another place with to=FOLDER"):
        predict(cfg(f"to={tmp_path}/pictures"))


@pytest.mark.parametrize("form", ["npy", "png"])
def test_a_disk_that_fills_up_leaves_no_half_map_and_one_message(cfg, tmp_path, monkeypatch, form):
    written = Path.write_bytes

    def full(self, content):
        if len(list(self.parent.glob(f"*.{form}"))) == 2:
            written(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))
        return written(self, content)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", full)
        with pytest.raises(
            UserError, match=r"^the disk is full while writing center_gaussian-.*free some space"
        ) as error:
            predict(cfg(f"format={form}", "data.batch_size=1"))
    assert "\n" not in str(error.value)
    (parts,) = (tmp_path / "outputs/maps/pictures").glob("[!.]*")  # the lock beside it is hidden
    assert files(parts) == sorted([f"0.{form}", f"1.{form}", "recipe.json"])
    assert files(predict(cfg(f"format={form}"))) == sorted(f"{name}.{form}" for name in NAMES)
