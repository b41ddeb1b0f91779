"""Pictures stored decoded: the same samples, taken up after an interruption, renewed, not needed on a full disk."""

import os
import shutil
from collections import namedtuple

import cv2
import numpy as np
import pytest
from tests.data.lookalikes.salicon import coco_names, write_salicon

from explainsal.data import pixels
from explainsal.data.reading import Reading
from explainsal.data.salicon import read_salicon
from explainsal.errors import CorruptFileError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "SHARD", 4)
    monkeypatch.setattr(pixels, "SPARE", 0)
    write_salicon(tmp_path, "train", coco_names("train", 9))
    return tmp_path


def read(root, decoded):
    return read_salicon(root, "train", release="2017", reading=Reading(decoded=decoded))


def stored(root):
    return sorted(path.name for path in (root / ".explainsal").glob("*.pixels"))


def assert_same(a, b):
    for one, other in zip(a, b, strict=True):
        assert (one.id, one.index) == (other.id, other.index)
        for name in ("image", "density", "fixations"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
            assert getattr(one, name).dtype == getattr(other, name).dtype


@pytest.mark.parametrize(("decoded", "files"), [("none", 0), ("maps", 3), ("all", 6)])
def test_the_samples_are_the_same(root, decoded, files):
    plain, kept = read(root, "none"), read(root, decoded)
    assert_same(list(plain), list(kept))
    assert len(stored(root)) == files
    some = [8, 0, 5]
    assert_same(list(plain.select(some)), list(kept.select(some)))
    assert_same(list(plain.select(some).select([1, 2])), list(kept.select(some).select([1, 2])))


def test_nothing_is_decoded_again(root, monkeypatch):
    read(root, "all")
    monkeypatch.setattr("explainsal.data.dataset.read_image", None)
    monkeypatch.setattr("explainsal.data.dataset.read_density", None)
    assert len(list(read(root, "all"))) == 9


def test_a_changed_picture_renews_its_file_alone(root):
    read(root, "maps")
    before = stored(root)
    path = root / "maps" / "train" / f"{coco_names('train', 9)[5]}.png"
    cv2.imwrite(str(path), np.arange(48 * 64, dtype=np.uint16).reshape(48, 64).astype(np.uint8))
    assert_same(list(read(root, "none")), list(read(root, "maps")))
    after = stored(root)
    assert len(after) == 3
    assert len(set(before) & set(after)) == 2


def test_an_interrupted_run_goes_on(root, monkeypatch):
    decode = pixels.StoredPixels, cv2.imdecode
    calls = []

    def killed(*args):
        calls.append(args)
        if len(calls) == 7:
            raise KeyboardInterrupt
        return decode[1](*args)

    read(root, "none")
    monkeypatch.setattr(cv2, "imdecode", killed)
    with pytest.raises(KeyboardInterrupt):
        read(root, "maps")
    assert len(stored(root)) == 1
    assert not [name for name in os.listdir(root / ".explainsal") if name.startswith(".writing")]
    calls.clear()
    calls.extend([None] * 100)
    read(root, "maps")
    assert len(calls) == 100 + 1 + 5  # one to tell maps from binary maps, then the pictures that were left


def test_a_file_that_vanishes_or_is_cut_is_done_without(root):
    kept = read(root, "all")
    expected = list(read(root, "none"))
    files = sorted((root / ".explainsal").glob("*.pixels"))
    files[0].unlink()
    files[-1].write_bytes(files[-1].read_bytes()[:1000])
    assert_same(list(kept), expected)
    assert_same(list(read(root, "all")), expected)
    assert len(stored(root)) == 6


def test_a_full_disk_costs_only_time(root, monkeypatch, caplog):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "total used free")(10, 9, 1))
    kept = read(root, "all")
    assert stored(root) == []
    assert "are needed, 0.0 GB are free" in caplog.text
    assert_same(list(kept), list(read(root, "none")))


def test_a_damaged_picture_is_named(root):
    path = sorted((root / "images" / "train").iterdir())[3]
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(CorruptFileError, match=path.name):
        read(root, "all")


def test_maps_of_16_bits_are_not_stored(root, caplog):
    for path in (root / "maps" / "train").iterdir():
        cv2.imwrite(str(path), np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) * 20)
    kept = read(root, "maps")
    assert "not uint8" in caplog.text
    assert kept[0].density.dtype == np.float32
    assert kept[0].density.max() == (48 * 64 - 1) * 20


def test_wrong_option():
    with pytest.raises(ValueError, match="decoded"):
        Reading(decoded="images")
    with pytest.raises(ValueError, match="unreadable"):
        Reading(unreadable="drop")
    for wrong in ("ignore", "keep"):
        with pytest.raises(ValueError, match="outside"):
            Reading(outside=wrong)
