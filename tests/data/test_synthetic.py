"""Synthetic scenes: deterministic, resumable, in SALICON's layout, with fixations that follow their known density."""

import hashlib
import json

import numpy as np
import pytest
import scipy.io

from explainsal.data import synthetic as module
from explainsal.data.scenes import KINDS, make_scene
from explainsal.data.synthetic import MARKER, SyntheticSettings, read_synthetic, write_synthetic
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.errors import UserError
from explainsal.fetch.writing import replaced_file

SETTINGS = SyntheticSettings(seed=3, size=(48, 64), counts={"train": 4, "val": 2, "test": 2}, sigma=3.0)


def pictures(root):
    return {
        p.name: hashlib.md5(p.read_bytes()).hexdigest() for k in ("images", "maps") for p in (root / k).rglob("*.*")
    }


def fixations(root):
    return [read_synthetic(root, split, SETTINGS).all_fixations()[0] for split in SETTINGS.counts]


def test_the_same_settings_write_the_same_data(tmp_path):
    assert write_synthetic(tmp_path / "a", SETTINGS) == 8
    write_synthetic(tmp_path / "b", SETTINGS)
    assert pictures(tmp_path / "a") == pictures(tmp_path / "b")
    assert len(set(pictures(tmp_path / "a").values())) == 16
    for a, b in zip(fixations(tmp_path / "a"), fixations(tmp_path / "b"), strict=True):
        for left, right in zip(a, b, strict=True):
            np.testing.assert_array_equal(left, right)
    assert write_synthetic(tmp_path / "a", SETTINGS) == 0


def test_more_images_leave_the_first_ones_alone(tmp_path):
    write_synthetic(tmp_path, SETTINGS)
    before = pictures(tmp_path)
    more = SyntheticSettings(seed=3, size=(48, 64), counts={"train": 6, "val": 2, "test": 2}, sigma=3.0)
    assert write_synthetic(tmp_path, more) == 2
    assert before.items() <= pictures(tmp_path).items()
    assert len(read_synthetic(tmp_path, "train", more)) == 6
    assert len(read_synthetic(tmp_path, "train", SETTINGS)) == 4


def test_interrupted_writing_is_taken_up_and_ends_with_the_same_files(tmp_path, monkeypatch):
    write_synthetic(tmp_path / "whole", SETTINGS)
    write, calls = module.write_file, []

    def interrupted(path, content, **options):
        calls.append(path)
        if len(calls) == 9:
            with replaced_file(path) as temporary:
                temporary.write_bytes(b"half a pic")
                raise KeyboardInterrupt
        write(path, content, **options)

    monkeypatch.setattr(module, "write_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_synthetic(tmp_path / "cut", SETTINGS)
    monkeypatch.undo()
    assert 0 < len(pictures(tmp_path / "cut")) < 16
    assert write_synthetic(tmp_path / "cut", SETTINGS) == 5
    assert pictures(tmp_path / "cut") == pictures(tmp_path / "whole")


def test_other_settings_beside_a_run_and_a_read_only_set(tmp_path):
    options = {"sizes": {"train": 2, "val": 1, "test": 1}, "image_size": (24, 32), "batch_size": 1, "num_workers": 0}
    first = SyntheticDataModule(tmp_path / "s", seed=0, **options)
    first.prepare_data()
    files = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    other = SyntheticDataModule(tmp_path / "s", seed=1, **options)
    other.prepare_data()
    assert other.root.parent == first.root
    assert {path: path.stat().st_mtime_ns for path in files} == files  # what the first one reads is as it was
    assert (first.dataset("train")[0].image != other.dataset("train")[0].image).any()
    written = (first.root / MARKER).stat().st_mtime_ns
    assert write_synthetic(first.root, first.settings) == 0
    assert (first.root / MARKER).stat().st_mtime_ns == written  # not even the marker is written again


def test_other_settings_replace_the_files_and_other_data_are_left_alone(tmp_path):
    write_synthetic(tmp_path / "a", SETTINGS)
    before = pictures(tmp_path / "a")
    other = SyntheticSettings(seed=4, size=(48, 64), counts=SETTINGS.counts, sigma=3.0)
    assert write_synthetic(tmp_path / "a", other) == 8
    assert set(before.values()).isdisjoint(pictures(tmp_path / "a").values())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    with pytest.raises(UserError, match="files other than synthetic scenes"):
        write_synthetic(tmp_path / "mine", SETTINGS)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "precious"


def test_a_full_disk_is_one_clear_message(tmp_path, monkeypatch):
    def full(*_, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_file", full)
    with pytest.raises(UserError, match=r"No space left.*data\.root="):
        write_synthetic(tmp_path, SETTINGS)


def test_the_files_are_those_of_salicon(tmp_path):
    write_synthetic(tmp_path, SETTINGS)
    mat = scipy.io.loadmat(tmp_path / "fixations" / "train" / "synthetic_train_000002.mat")
    assert {"image", "resolution", "gaze"} <= set(mat)
    assert mat["resolution"].tolist() == [[48, 64]]
    assert mat["gaze"].shape == (15, 1)
    assert mat["gaze"].dtype.names == ("location", "timestamp", "fixations")
    sample = read_synthetic(tmp_path, "train", SETTINGS)[2]
    assert sample.id == "synthetic_train_000002"
    assert sample.image.shape == (48, 64, 3)
    assert sample.density.max() == 255
    stored = np.concatenate(list(mat["gaze"]["fixations"].ravel())).astype(float)
    np.testing.assert_array_equal(sample.fixations, stored - 0.5)
    assert json.loads((tmp_path / "synthetic.json").read_text())["seed"] == 3


def test_every_observer_fixates_at_least_three_times():
    _, observers = module._draw(SETTINGS, "train", 0)
    counts = [len(points) for points in observers]
    assert len(counts) == 15
    assert min(counts) >= 3
    assert 5 < np.mean(counts) < 11


@pytest.mark.parametrize("kind", KINDS)
def test_fixations_follow_the_known_density(kind):
    """Chi-square over 4 x 4 tiles with 4,000 fixations: 15 degrees of freedom, 1 in 10^5 exceeds 48."""
    rng = np.random.default_rng(5)
    scene = next(s for s in (make_scene(rng, (48, 64)) for _ in range(200)) if s.kind == kind)
    density = scene.density()
    assert density.sum() == pytest.approx(1, abs=1e-12)
    shares = scene.components()[:, 4]
    assert shares[-1] == 0.18
    assert shares.sum() == pytest.approx(0.95)  # the rest is the uniform floor
    expected = density.reshape(4, 12, 4, 16).sum((1, 3)) * 4000
    x, y = scene.fixations(np.random.default_rng(6), 4000).T
    counted = np.histogram2d(y, x, bins=[np.arange(0, 49, 12), np.arange(0, 65, 16)])[0]
    assert counted.sum() == 4000
    assert ((counted - expected) ** 2 / expected).sum() < 48


def test_the_scene_can_be_drawn_again_without_the_files(tmp_path):
    write_synthetic(tmp_path, SETTINGS)
    scene = make_scene(SETTINGS.generator("val", 1), SETTINGS.size)
    stored = read_synthetic(tmp_path, "val", SETTINGS)[1].image
    assert np.abs(scene.image.astype(int) - stored).mean() < 8  # JPEG


@pytest.mark.parametrize(
    "wrong",
    [{"counts": {"train": 1}}, {"counts": {"train": 1, "val": 1, "test": 0}}, {"size": (0, 5)}, {"observers": 0},
     {"fixations": 2.0}],
    ids=str,
)  # fmt: skip
def test_wrong_settings(wrong):
    with pytest.raises(ValueError, match="positive"):
        SyntheticSettings(**({"seed": 0, "size": (4, 6), "counts": SETTINGS.counts} | wrong))
