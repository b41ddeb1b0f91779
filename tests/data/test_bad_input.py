"""Files that are not what a reader expects: for every reader one message that names the file and says what to do."""

import os
import shutil
import unicodedata
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from tests.data.lookalikes.pictures import write_picture

from explainsal.app.cli import conf_dir
from explainsal.app.messages import describe_error
from explainsal.data import cat2000, mit1003, osie, pascal_s, salicon, toronto
from explainsal.data.decoding import read_array, read_density
from explainsal.data.folder import read_folder
from explainsal.data.ground_truth import read_binary_map
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError, MissingFilesError

CONF = Path(conf_dir())

READERS = {
    "salicon": salicon.read_gaze,
    "osie": osie.read_fixations,
    "mit1003": mit1003.read_eye_data,
    "toronto": toronto.read_fixation_maps,
    "cat2000": cat2000.read_scanpaths,
    "pascal_s": pascal_s.read_fixations,
    "a map of one's own": read_array,
}


def version_5(path, **variables):
    scipy.io.savemat(path, variables)


def version_7_3(path):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["other"] = np.ones((2, 2))
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def cut(path):
    version_5(path, gaze=np.arange(10000.0).reshape(100, 100))
    path.write_bytes(path.read_bytes()[:5000])


FAULTS = {
    "another version": version_7_3,
    "cut short": cut,
    "empty": lambda path: path.write_bytes(b""),
    "no MATLAB file": lambda path: path.write_text("<html>quota exceeded</html>" * 20),
    "other variables": lambda path: version_5(path, other=np.ones(3), another="text"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("reader", READERS)
def test_every_reader_of_mat_files_names_the_file_and_a_remedy(tmp_path, reader, fault):
    path = tmp_path / "näme.mat"
    FAULTS[fault](path)
    with pytest.raises(CorruptFileError, match=r"näme\.mat.*([Uu]npack|Fetch it|Write it|Save it)"):
        READERS[reader](path)
    with pytest.raises(MissingFilesError, match=r"nothing\.mat"):
        READERS[reader](tmp_path / "nothing.mat")


@pytest.mark.parametrize("values", [
    np.array(["a", "b"]), np.ones((4, 4), complex), np.ones(4), np.ones((2, 3, 4)),
    np.array([{"a": 1}], dtype=object), np.zeros((2, 2), [("x", "f4")]),
], ids=lambda v: f"{v.dtype} {v.shape}")  # fmt: skip
def test_arrays_of_a_wrong_kind_are_named(tmp_path, values):
    path = tmp_path / "map.npy"
    np.save(path, values, allow_pickle=True)
    with pytest.raises(CorruptFileError, match=r"map\.npy.*[Ww]rite it again"):
        read_array(path)


def test_densities_of_a_wrong_kind_are_named(tmp_path):
    path = tmp_path / "d.npy"
    for values in (-np.ones((2, 2)), np.full((2, 2), np.nan), np.full((2, 2), np.inf)):
        np.save(path, values)
        with pytest.raises(CorruptFileError, match=r"d\.npy is not a fixation density"):
            read_density(path)
    write_picture(tmp_path / "image.png", (24, 32))
    cv2.imwrite(str(tmp_path / "turned.png"), np.zeros((32, 24), np.uint8))
    with pytest.raises(CorruptFileError, match=r"turned\.png is 32 x 24.*never resized"):
        read_binary_map(tmp_path / "turned.png", tmp_path / "image.png")


@pytest.mark.parametrize("name", ["ünï 名 κ", "with, comma", "100%", "a'b", "-option", "[brackets]"])
def test_any_name_in_a_whole_data_set(tmp_path, name):
    write_picture(tmp_path / name / "images" / "sub" / f"{name}.png", (24, 32))
    quoted = f'"sub/{name}"' if "," in name else f"sub/{name}"
    (tmp_path / name / "fixations.csv").write_text(f"image,x,y\n{quoted},3,4\n", encoding="utf-8")
    for _ in range(2):  # parsed, then from the cache
        dataset = read_folder(tmp_path / name, density_sigma=2.0)
        assert dataset.ids == (f"sub/{name}",)
        assert dataset[0].fixations.tolist() == [[3.5, 4.5]]


def test_names_in_another_case_or_with_accents_taken_apart_are_told_from_unknown_ones(tmp_path):
    root = tmp_path / "data"
    write_picture(root / "images" / (unicodedata.normalize("NFD", "café") + ".png"), (24, 32))
    write_picture(root / "images" / "NA.png", (24, 32))
    for name, like in (("café", "The image cafe\u0301 differs"), ("na.png", "The image NA differs"), ("other", "")):
        (root / "fixations.csv").write_text(f"image,x,y\nNA,1,2\n{name},3,4\n", encoding="utf-8")
        with pytest.raises(
            MissingFilesError, match=rf"1 fixations belong to no image, the first in line 3 \('{name}"
        ) as e:
            read_folder(root)
        assert ("differs only in letter case or in the encoding of accents" in str(e.value)) is bool(like)
        assert like in str(e.value)
    (root / "fixations.csv").write_text("image,x,y\nNA,1,2\n", encoding="utf-8")
    assert read_folder(root).fixations.counts.tolist() == [1, 0]
    write_picture(root / "maps" / "café.png", (24, 32))
    write_picture(root / "maps" / "NA.png", (24, 32))
    with pytest.raises(MissingFilesError, match=r"maps/café\.png differs only in .* accents: rename it"):
        read_folder(root)


def test_a_name_that_cannot_be_written_down_is_one_line():
    with pytest.raises(UnicodeEncodeError) as caught:
        os.fsdecode(b"images/caf\xe9.png").encode()
    message = describe_error(caught.value, CONF)
    assert message == r"A file name is not valid UTF-8 and cannot be written ('images/caf\udce9.png'): rename the file."
    assert describe_error(ValueError("another one"), CONF) is None


@pytest.mark.skipif(os.name == "nt", reason="folders have other rights")
def test_a_read_only_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    root = tmp_path / "data"
    write_picture(root / "images" / "a.png", (24, 32))
    (root / "fixations.csv").write_text("image,x,y\na,3,4\n")
    root.chmod(0o555)
    try:
        assert len(read_folder(root, reading=Reading())) == 1
        assert sorted(path.name for path in root.iterdir()) == ["fixations.csv", "images"]
        assert list((tmp_path / "home").rglob("*.npz"))
    finally:
        root.chmod(0o755)
        shutil.rmtree(root)
