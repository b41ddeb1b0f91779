"""Submissions: the benchmark can read them, interruptions lose no work, and every fault is reported."""

from __future__ import annotations

import errno
import math
import multiprocessing
import os
import re
import shutil
import signal
import zipfile
from io import BytesIO
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image

from explainsal.errors import UserError
from explainsal.reporting.submissions import writing
from explainsal.reporting.submissions.check import check_submission
from explainsal.reporting.submissions.form import Submission
from explainsal.reporting.submissions.writing import WrittenMaps

IDS = ["Action/001", "Action/002", "Art/001"]
PICTURES = [f"/data/Stimuli/{key}.jpg" for key in IDS]
SIZES = [(24, 32), (24, 32), (32, 24)]
RECIPE = {"model": "m", "weights": "abc"}
DENSITY, MAP = Submission("tuebingen", "density", "hdf5"), Submission("tuebingen", "map", "npy")


def maps(kind: str = "density") -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    values = [rng.random(size) + 0.1 for size in SIZES]
    return [np.log(v / v.sum()) if kind == "density" else v for v in values]


def written(folder: Path, form: Submission = DENSITY, values: list[np.ndarray] | None = None) -> Path:
    path = folder / f"model{form.suffix}"
    file = WrittenMaps(path, form.names(IDS, PICTURES), form, RECIPE)
    file.begin(SIZES)
    for index, one in enumerate(maps(form.kind) if values is None else values):
        file.write(index, one)
    file.finish()
    return path


def check(path: Path, form: Submission = DENSITY):
    return check_submission(path, form, IDS, PICTURES, SIZES)


@pytest.mark.parametrize(
    "form",
    [
        DENSITY,
        Submission("tuebingen", "density", "npy"),
        MAP,
        Submission("tuebingen", "map", "npy", zip=False),
        Submission("tuebingen", "map", "png"),
        Submission("tuebingen", "map", "hdf5"),
    ],
    ids=str,
)
def test_what_is_written_is_accepted_and_leaves_nothing_else(tmp_path, form):
    path = written(tmp_path, form)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, f"{path.name}.json"])
    verdict = check(path, form)
    assert (verdict.errors, verdict.maps) == ([], 3)


def test_an_hdf5_file_has_the_pictures_names_and_float32_logarithms(tmp_path):
    with h5py.File(written(tmp_path)) as file:
        assert {name: list(group) for name, group in file.items()} == {
            "Action": ["001.jpg", "002.jpg"],
            "Art": ["001.jpg"],
        }
        assert not file.attrs
        for key, values, size in zip(IDS, maps(), SIZES, strict=True):
            stored = file[f"{key}.jpg"]
            assert (stored.dtype, stored.shape) == (np.float32, size)
            np.testing.assert_array_equal(stored[()], values.astype(np.float32))
            assert abs(math.log(math.fsum(math.exp(v) for v in stored[()].ravel().tolist()))) < 1e-5


def test_what_must_be_said_of_maps_lies_in_their_files_and_changes_none_of_them(tmp_path):
    form = Submission("tuebingen", "map", "png")
    for name, comment in (("plain", ""), ("said", "untrained weights")):
        file = WrittenMaps(tmp_path / f"{name}.zip", form.names(IDS, PICTURES), form, RECIPE, comment=comment)
        file.begin(SIZES)
        for index, one in enumerate(maps("map")):
            file.write(index, one)
        file.finish()
        assert check(file.path, form).accepted
    with zipfile.ZipFile(tmp_path / "plain.zip") as plain, zipfile.ZipFile(tmp_path / "said.zip") as said:
        assert (plain.comment, said.comment) == (b"", b"untrained weights")
        for name in plain.namelist():
            Image.open(BytesIO(said.read(name))).verify()  # checksums of all chunks
            one, other = (Image.open(BytesIO(archive.read(name))) for archive in (plain, said))
            np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
            assert (one.text, other.text) == ({}, {"Comment": "untrained weights"})


def test_salicon_is_a_flat_zip_of_grey_8_bit_pictures(tmp_path):
    ids = ["COCO_test2014_000000000001", "COCO_test2014_000000000027"]
    form = Submission("salicon", "map", "png")
    file = WrittenMaps(tmp_path / "s.zip", form.names(ids, ids), form, RECIPE)
    sizes = [(48, 64)] * 2
    file.begin(sizes)
    values = np.random.default_rng(0).random((2, 48, 64))
    for index in (1, 0):
        file.write(index, values[index])
    file.finish()
    with zipfile.ZipFile(tmp_path / "s.zip") as archive:
        assert archive.namelist() == [f"{key}.png" for key in ids]
        for key, one in zip(ids, values, strict=True):
            gray = cv2.imdecode(np.frombuffer(archive.read(f"{key}.png"), np.uint8), cv2.IMREAD_UNCHANGED)
            assert (gray.dtype, gray.shape, gray.max()) == (np.uint8, (48, 64), 255)
            assert np.abs(gray / 255 - one / one.max()).max() <= 0.5 / 255 + 1e-9
    assert check_submission(tmp_path / "s.zip", form, ids, [f"{key}.jpg" for key in ids], sizes).accepted
    others = check_submission(tmp_path / "s.zip", form, ["1401", "1402"], ["1401.jpg", "1402.jpg"], sizes)
    assert "2 images are not named like the benchmark's" in others.errors[0]


@pytest.mark.parametrize("killed", [0, 1, 3, 4])
@pytest.mark.parametrize("form", [DENSITY, MAP, Submission("tuebingen", "map", "npy", zip=False)], ids=str)
def test_after_a_kill_only_missing_maps_are_made_again(tmp_path, monkeypatch, form, killed):
    """Kill the process between the writing of a file and its renaming, the worst moment."""
    path, left = tmp_path / f"model{form.suffix}", [killed]

    def replace(source, target):
        if "recipe" not in Path(target).name:
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt
        return original(source, target)

    original = os.replace
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(writing.Path, "replace", lambda self, target: replace(self, target))
    with pytest.raises(KeyboardInterrupt):
        written(tmp_path, form)
    monkeypatch.undo()
    assert not path.exists() or killed == 4
    file = WrittenMaps(path, form.names(IDS, PICTURES), form, RECIPE)
    assert file.missing() == list(range(3))[killed:]
    if not file.finished:
        file.begin(SIZES)
        for index in file.missing():
            file.write(index, maps(form.kind)[index])
        file.finish()
    assert check(path, form).accepted
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, f"{path.name}.json"])
    again = WrittenMaps(path, form.names(IDS, PICTURES), form, RECIPE)
    assert (again.finished, again.missing()) == (True, [])


@pytest.mark.parametrize("form", [DENSITY, MAP], ids=str)
def test_a_kill_while_the_file_is_collected_leaves_nothing_behind(tmp_path, monkeypatch, form):
    def collect_half(target, *arguments):
        target.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)

    kind = "_collect_hdf5" if form.file == "hdf5" else "_collect_zip"
    with monkeypatch.context() as patch:
        patch.setattr(writing, kind, collect_half)
        process = multiprocessing.get_context("fork").Process(target=written, args=(tmp_path, form))
        process.start()
        process.join()
    assert process.exitcode == -signal.SIGKILL
    assert len(list(tmp_path.rglob(".writing-*"))) == 1
    path = written(tmp_path, form)
    assert check(path, form).accepted
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([path.name, f"{path.name}.json"])


def test_maps_of_two_models_are_never_mixed(tmp_path):
    file = WrittenMaps(tmp_path / "m.hdf5", ["a.jpg"], DENSITY, RECIPE)
    file.begin([(4, 4)])
    other = {**RECIPE, "weights": "def"}
    with pytest.raises(UserError, match=r"made in another way: weights \(abc, now def\).*submission\.to"):
        WrittenMaps(tmp_path / "m.hdf5", ["a.jpg"], DENSITY, other)
    path = written(tmp_path)
    with pytest.raises(UserError, match="made in another way"):
        WrittenMaps(path, DENSITY.names(IDS, PICTURES), DENSITY, other)
    (tmp_path / "mine.hdf5").write_bytes(b"precious")
    with pytest.raises(UserError, match="not written by this command"):
        WrittenMaps(tmp_path / "mine.hdf5", ["a.jpg"], DENSITY, RECIPE)
    path.unlink()  # the card of a removed file is ignored
    assert WrittenMaps(path, DENSITY.names(IDS, PICTURES), DENSITY, other).missing() == [0, 1, 2]


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES])
def test_a_full_or_read_only_disk_is_one_message_and_keeps_what_was_finished(tmp_path, monkeypatch, error):
    file = WrittenMaps(tmp_path / "m.hdf5", DENSITY.names(IDS, PICTURES), DENSITY, RECIPE)
    file.begin(SIZES)
    file.write(0, maps()[0])

    def fail(self, content):
        raise OSError(error, os.strerror(error))

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(UserError, match="no permission|disk is full"):
        file.write(1, maps()[1])
    monkeypatch.undo()
    assert file.missing() == [1, 2]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(0, 0, 1000))
    with pytest.raises(UserError, match=r"only 1\.0 kB are free.*choose another disk"):
        file.begin(SIZES)


OF_HDF5 = "Disable slist on flush dest failure failed (file write failed: errno = 28, error message = 'No space left on"


@pytest.mark.parametrize("form", [DENSITY, MAP], ids=str)
def test_a_disk_that_fills_up_while_the_file_is_made_leaves_no_half_of_it(tmp_path, monkeypatch, form):
    def half(target, names, parts, comment):
        Path(target).write_bytes(b"half")
        raise RuntimeError(OF_HDF5) if form is DENSITY else OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(writing, "_collect_hdf5" if form is DENSITY else "_collect_zip", half)
        with pytest.raises(UserError, match="disk is full"):
            written(tmp_path, form)
    assert [p.name for p in tmp_path.iterdir()] == [f"model{form.suffix}.parts"]
    file = WrittenMaps(tmp_path / f"model{form.suffix}", form.names(IDS, PICTURES), form, RECIPE)
    assert file.missing() == []
    file.finish()
    assert check(file.path, form).accepted


def test_a_map_of_nan_is_not_written(tmp_path):
    file = WrittenMaps(tmp_path / "m.hdf5", ["a.jpg"], DENSITY, RECIPE)
    file.begin([(2, 2)])
    with pytest.raises(UserError, match=r"a\.jpg holds NaN"):
        file.write(0, np.array([[0, np.nan], [1, 1]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("tuebingen", "density", "png"), "8 bits"),
        (("mit", "map", "png"), "benchmark is one of"),
        (("salicon", "density", "npy"), "takes no density"),
        (("salicon", "map", "hdf5"), "takes no map in .hdf5"),
        (("salicon", "map", "npy"), "takes no npy"),
        (("salicon", "map", "png", False), "in a folder"),
    ],
)
def test_forms_that_no_benchmark_takes(options, message):
    with pytest.raises(ValueError, match=message):
        Submission(*options)


@settings(max_examples=30, deadline=None)
@given(
    arrays(np.float32, (5, 7), elements=st.floats(0, 1e6, width=32)),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20).filter(
        lambda name: name not in (".", "..")
    ),
)
def test_any_map_under_any_name_comes_back(tmp_path_factory, values, name):
    content = writing.encode(f"{name}.jpg", values, "hdf5")
    path = tmp_path_factory.mktemp("map") / "m.hdf5"
    path.write_bytes(content)
    with h5py.File(path) as file:
        assert list(file) == [f"{name}.jpg"]
        np.testing.assert_array_equal(file[f"{name}.jpg"][()], values)


def test_a_name_that_is_not_utf_8(tmp_path):
    with pytest.raises(UserError, match="rename it"):
        writing.encode(b"\xff.jpg".decode(errors="surrogateescape"), np.zeros((2, 2)), "hdf5")


# Faults of files made by hand: a change of valid maps, and the reported error.


def stored(folder: Path, names: list[str], values: list[np.ndarray]) -> Path:
    with h5py.File(folder / "m.h5", "w") as file:
        for name, one in zip(names, values, strict=True):
            file[name] = one
    return folder / "m.h5"


HDF5_NAMES = [f"{key}.jpg" for key in IDS]
LOG = maps()


@pytest.mark.parametrize(
    ("names", "values", "message"),
    [
        (HDF5_NAMES[:2], LOG[:2], r"1 of 3 images have no map, the first is Art/001\.jpg \(there are Action/001\.jpg"),
        (IDS, LOG, r"3 names lack the picture's suffix, the first is Action/001 \(expected is Action/001\.jpg\)"),
        (["x/" + n for n in HDF5_NAMES], LOG, "3 of 3 images have no map"),
        (HDF5_NAMES, [LOG[0].T, *LOG[1:]], r"Action/001\.jpg is 32 x 24, its image 24 x 32, transposed"),
        (HDF5_NAMES, [LOG[0][None], *LOG[1:]], r"1 x 24 x 32, its image 24 x 32: squeeze it"),
        (HDF5_NAMES, [LOG[0][1:], *LOG[1:]], r"23 x 32, its image 24 x 32"),
        (HDF5_NAMES, [np.exp(v) for v in LOG], "3 maps are not natural.*Action/001.jpg: it is a density itself"),
        (HDF5_NAMES, maps("map"), "it is a saliency map: submission.kind=map"),
        (HDF5_NAMES, [v / np.log(10) for v in LOG], r"to base 10: multiply by ln 10 = 2\.302585"),
        (HDF5_NAMES, [v / np.log(2) for v in LOG], "to base 2"),
        (HDF5_NAMES, [LOG[0], LOG[1] + 0.002, LOG[2]], r"1 maps.*Action/002.jpg: its logsumexp is 0\.0020"),
        (HDF5_NAMES, [np.where(v == v.max(), np.nan, v) for v in LOG], "3 maps hold NaN"),
        (HDF5_NAMES, [np.stack([v, v, v + 1], 2) for v in LOG], "3 maps are in color"),
        (HDF5_NAMES, [(v * 9).astype(np.int16) for v in LOG], "8 bits cannot hold"),
        (HDF5_NAMES, [v.astype(complex) for v in LOG], "do not hold real numbers"),
    ],
)
def test_each_fault_of_an_hdf5_file_is_named(tmp_path, names, values, message):
    verdict = check(stored(tmp_path, names, values))
    assert not verdict.accepted
    assert re.search(message, "\n".join(verdict.errors)), verdict.errors


def test_what_is_only_noted(tmp_path):
    values = [LOG[0], LOG[1] + 0.0009, np.stack([LOG[2]] * 3, 2), LOG[0]]
    exact = check(stored(tmp_path, [*HDF5_NAMES, "Art/009.jpg"], values))
    assert exact.accepted
    assert exact.notes == ["1 files belong to none of the images and are ignored, the first is Art/009.jpg"]
    zero = [np.where(v == v.min(), -np.inf, v) for v in LOG]
    assert "3 densities are 0 somewhere" in check(stored(tmp_path, HDF5_NAMES, zero)).notes[0]
    as_maps = Submission("tuebingen", "map", "hdf5")
    assert "submission.kind=density" in check(stored(tmp_path, HDF5_NAMES, LOG), as_maps).notes[0]
    flat = [np.ones(SIZES[0]), np.eye(*SIZES[1]), maps("map")[2]]
    notes = "\n".join(check(stored(tmp_path, HDF5_NAMES, flat), as_maps).notes)
    assert "1 maps are constant, the first is Action/001.jpg" in notes
    assert "1 maps have fewer than 32 values, the first is Action/002.jpg" in notes


def folder_of(tmp_path: Path) -> Path:
    return written(tmp_path, Submission("tuebingen", "map", "npy", zip=False))


def swap(folder: Path, suffix: str) -> Path:
    (folder / "Action/001.npy").unlink()
    return folder / f"Action/001{suffix}"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda f: cv2.imwrite(str(swap(f, ".png")), np.zeros((24, 32, 3), np.uint8) + np.uint8([1, 2, 3])),
            "in color",
        ),
        (lambda f: cv2.imwrite(str(swap(f, ".png")), np.zeros((24, 32, 4), np.uint8)), "alpha"),
        (lambda f: swap(f, ".png").write_bytes(b"no picture"), r"1 maps cannot be read: .*001\.png"),
        (lambda f: np.savez(swap(f, ".npz"), maps("map")[0]), r"a type that the evaluator does not read.*001\.npz"),
        (lambda f: scipy.io.savemat(swap(f, ".mat"), {"a": np.ones((24, 32)), "b": np.ones((24, 32))}), "holds 2 maps"),
        (lambda f: cv2.imwrite(str(f / "Action/001.png"), np.ones((24, 32))), "1 images have two maps"),
        (lambda f: (f / "Art/001.npy").rename(f / "001.npy"), "1 of 3 images have no map, the first is Art/001"),
        (lambda f: np.save(f / "Art/001.npy", np.array([["a"]])), "do not hold real numbers|no map"),
    ],
)
def test_each_fault_of_a_folder_is_named(tmp_path, spoil, message):
    folder = folder_of(tmp_path)
    spoil(folder)
    verdict = check(folder, MAP)
    assert re.search(message, "\n".join(verdict.errors)), verdict.errors


def test_archives_may_hold_a_folder_and_other_kinds_of_files_are_refused(tmp_path):
    folder = folder_of(tmp_path)
    for form in ("zip", "gztar", "tar"):
        archive = Path(shutil.make_archive(str(tmp_path / "sent"), form, tmp_path, folder.name))
        assert check(archive, MAP).accepted
    verdict = check(tmp_path / "sent.tar", Submission("salicon", "map", "png"))
    assert "takes .zip" in verdict.errors[0]
    archive.rename(tmp_path / "sent.rar")
    with pytest.raises(UserError, match=r"sent\.rar: \.rar archives are not supported.*pack the maps as \.zip"):
        check(tmp_path / "sent.rar", MAP)
    (tmp_path / "sent.rar").rename(tmp_path / "sent.txt")
    with pytest.raises(UserError, match="give a folder of maps"):
        check(tmp_path / "sent.txt", MAP)
