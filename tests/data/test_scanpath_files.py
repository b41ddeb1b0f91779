"""Scanpaths as text files: orders of columns, separators, observers, and one message per mistake."""

import numpy as np
import pytest
from tests.data.lookalikes.pictures import write_picture

from explainsal.data.folder import read_folder
from explainsal.data.reading import Reading
from explainsal.data.scanpath_files import read_scanpath
from explainsal.errors import CorruptFileError, MissingFilesError, UserError


@pytest.fixture
def file(tmp_path):
    def write(text):
        (tmp_path / "kim").write_text(text, encoding="utf-8")
        return tmp_path / "kim"

    return write


@pytest.mark.parametrize(
    ("text", "t", "duration"),
    [("3 4 0.5 0.75 \n1 2 0.25 0.5 \n", [0.25, 0.5], [0.25, 0.25]), ("1 2\n\n3 4\n", None, None),
     ("3 4 .5\n1 2 .25", [0.25, 0.5], None), ("y x t duration\n2 1 .25 .1\n4 3 .5 .2", [0.25, 0.5], [0.1, 0.2]),
     ("\ufeffX, Y, start, end\n1,2,0,1\n3,4,1,\n", [0, 1], [1, np.nan])],
    ids=["FixaTons, out of order", "x y", "x y start", "other columns", "commas and an empty cell"],
)  # fmt: skip
def test_columns(file, text, t, duration):
    path = read_scanpath(file(text), 3)
    assert (path.points.tolist(), path.observer) == ([[1, 2], [3, 4]], 3)
    for found, expected in ((path.t, t), (path.duration, duration)):
        assert (found is None) == (expected is None)
        if expected:
            np.testing.assert_allclose(found, expected)


def test_an_empty_file_and_an_empty_cell(file):
    assert read_scanpath(file("")).points.shape == (0, 2)
    assert np.isnan(read_scanpath(file("1,2,0,1\n,4,1,2")).points).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 2 3 4\n1 two 3 4", "line 2: 'two' is not a number"), ("1 2 3 4\n\n1 2 3", "line 3: expected 4 columns"),
     ("1 2 3 4 5", "line 1: 5 columns"), ("7", "line 1: 1 columns"),
     ("1 2 0.5 0.2", "line 1: the fixation ends before it starts.*x y t duration")],
)  # fmt: skip
def test_what_is_wrong_is_named(file, text, message):
    with pytest.raises(CorruptFileError, match=f"kim.*{message}"):
        read_scanpath(file(text))


def test_what_is_no_text(tmp_path):
    (tmp_path / "kim").write_bytes(b"\x80\xff\x00")
    with pytest.raises(CorruptFileError, match="cannot read .*kim"):
        read_scanpath(tmp_path / "kim")


@pytest.fixture
def folder(tmp_path):
    for k, name in enumerate(("a", "b/c")):
        write_picture(tmp_path / "images" / f"{name}.png", (24, 32), k)
    for name, rows in {
        "a/kim.txt": "1 2\n3 4",
        "a/ann.txt": "5 6",
        "b/c.png/kim.txt": "7 8",
        "gone/kim.txt": "1 1",
    }.items():
        path = tmp_path / "scanpaths" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rows)
    return tmp_path


def test_a_folder_of_scanpaths(folder):
    dataset = read_folder(folder, density_sigma=2.0)
    assert dataset.release == "scanpath files"
    assert dataset[0].fixations.tolist() == [[5.5, 6.5], [1.5, 2.5], [3.5, 4.5]]
    assert dataset[1].fixations.tolist() == [[7.5, 8.5]]
    assert dataset._fixations.observer.tolist() == [0, 1, 1, 1]  # kim is the same person in both
    (folder / "scanpaths" / "a" / "kim.txt").write_text("1.25 2\n3 4")
    assert read_folder(folder)[1].fixations.tolist() == [[7, 8]]  # fractions: pixels from the corner


def test_the_layout_of_fixatons_is_a_folder_too(folder):
    expected = read_folder(folder)[0].fixations
    (folder / "images").rename(folder / "STIMULI")
    (folder / "scanpaths").rename(folder / "SCANPATHS")
    np.testing.assert_array_equal(read_folder(folder)[0].fixations, expected)


def test_images_without_scanpaths_and_damaged_files(folder):
    (folder / "scanpaths" / "a" / "kim.txt").write_text("1 x")
    with pytest.raises(CorruptFileError, match="kim.txt, line 1: 'x' is not a number"):
        read_folder(folder)
    with pytest.warns(UserWarning, match="1 of 2 images are unreadable"):
        assert read_folder(folder, reading=Reading(unreadable="skip")).ids == ("b/c",)
    (folder / "scanpaths" / "b" / "c.png" / "kim.txt").unlink()
    with pytest.raises(MissingFilesError, match="1 of 2 images have no scanpaths"):
        read_folder(folder)


def test_two_kinds_of_fixations_are_refused(folder):
    (folder / "fixations.csv").write_text("image,x,y\na,1,2\n")
    with pytest.raises(UserError, match=r"fixations\.csv and scanpaths/"):
        read_folder(folder)
