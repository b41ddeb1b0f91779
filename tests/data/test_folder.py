"""Folders with ground truth of one's own: every form, and one clear message per mistake."""

import json

import cv2
import numpy as np
import pytest
import scipy.io
from tests.data.lookalikes.pictures import write_picture

from explainsal.data.folder import read_folder
from explainsal.data.folder_parts import read_parts
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

SIZES = {"a": (24, 32), "b/c": (32, 24), "ünïcode 名": (24, 32)}


@pytest.fixture
def root(tmp_path):
    for k, (name, size) in enumerate(SIZES.items()):
        write_picture(tmp_path / "images" / f"{name}.png", size, k)
    return tmp_path


def write_csv(root, *rows, header="image,x,y,subject,t"):
    (root / "fixations.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


def test_a_table(root):
    write_csv(
        root, "a,1.25,2,kim,0.5", "b/c.png,0,0,kim,0.1", "a,3,4,kim,0.2", "a,5,6,ann,0.9", "ünïcode 名,31,23,ann,0"
    )
    dataset = read_folder(root, density_sigma=3.0)
    assert dataset.ids == tuple(sorted(SIZES))
    assert dataset[0].fixations.tolist() == [[5, 6], [3, 4], [1.25, 2]]  # by subject, then by time
    assert dataset._fixations.observer[:3].tolist() == [0, 1, 1]
    np.testing.assert_allclose(dataset._fixations.t[:3], [0.9, 0.2, 0.5])
    assert [len(p) for p in dataset.all_fixations()[0]] == [3, 1, 1]
    assert (dataset.release, dataset.density_sigma) == ("fixations.csv", 3.0)
    assert read_folder(root).has_density is False


def test_whole_numbers_are_pixels_and_the_least_table_has_three_columns(root):
    write_csv(root, "a,0,0", "a,31,23", header="image,x,y")
    dataset = read_folder(root)
    assert dataset[0].fixations.tolist() == [[0.5, 0.5], [31.5, 23.5]]
    assert len(dataset[1].fixations) == 0  # an image at which no one looked
    write_csv(root, "a,0,0", header="\ufeffimage,x,y")  # as spreadsheets write it
    assert read_folder(root).fixation_count == 1


def test_points_outside_are_dropped_moved_or_refused(root):
    write_csv(root, "a,-1.5,2", "a,3,4", "a,99,5", "a,,5", header="image,x,y")
    with pytest.warns(UserWarning, match="3 of 4 fixations"):
        assert len(read_folder(root)[0].fixations) == 1
    with pytest.warns(UserWarning, match="moved"):
        assert read_folder(root, reading=Reading(outside="clip"))[0].fixations[:2].tolist() == [[0, 2], [3, 4]]
    with pytest.raises(CorruptFileError, match=r"data\.outside=drop"):
        read_folder(root, reading=Reading(outside="error"))


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [(["a,1,2"], "image,x", "lacks the columns y"),
     (["a,1,zwei"], "image,x,y", r"line 2: 'zwei' is not a number \(y\)"),
     (["a,1,2", "nobody,1,2"], "image,x,y", r"1 fixations belong to no image, the first in line 3"),
     ([], "", r"cannot read .*fixations\.csv")],
    ids=["column", "number", "image", "empty"],
)  # fmt: skip
def test_a_wrong_table(root, rows, header, message):
    write_csv(root, *rows, header=header)
    with pytest.raises(UserError, match=message):
        read_folder(root)


def binary(size):
    values = np.zeros(size, np.uint8)
    values[0, 0] = values[size[0] - 1, 3] = 1
    return values


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".npy", ".mat"])
def test_binary_maps(root, suffix):
    for name, size in SIZES.items():
        path = root / "fixations" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix == ".npy":
            np.save(path, binary(size).astype(bool))
        elif suffix == ".mat":
            scipy.io.savemat(path, {"I": binary(size)})
        else:
            path.write_bytes(cv2.imencode(suffix, binary(size) * 255)[1].tobytes())
    dataset = read_folder(root)
    for index, name in enumerate(dataset.ids):
        assert dataset[index].fixations.tolist() == [[0.5, 0.5], [3.5, SIZES[name][0] - 0.5]]
    assert dataset.release == "binary maps"


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.zeros((24, 31)), r"24 x 31.*24 x 32"), (np.arange(24 * 32).reshape(24, 32), "not a binary map"),
     (np.full((24, 32), 0.5), "not a binary map"), (np.zeros((24, 32, 3)), r"not a map: it has shape \(24, 32, 3\)"),
     (np.full((24, 32), "a"), "not a map"), (np.zeros((24, 32), complex), "complex"),
     (np.full((24, 32), None), "not numeric")],
    ids=["size", "counts", "half", "colour", "text", "complex", "object"],
)  # fmt: skip
def test_a_wrong_binary_map(root, values, message):
    (root / "fixations" / "b").mkdir(parents=True)
    for name, size in SIZES.items():
        np.save(root / "fixations" / f"{name}.npy", binary(size))
    np.save(root / "fixations" / "a.npy", values, allow_pickle=True)
    with pytest.raises(CorruptFileError, match=message):
        read_folder(root)


def write_maps(root, suffix):
    for name, size in SIZES.items():
        path = root / "maps" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = np.arange(size[0] * size[1]).reshape(size)
        if suffix == ".npy":
            np.save(path, values / 7)
        else:
            path.write_bytes(cv2.imencode(suffix, values.astype(np.uint16))[1].tobytes())


@pytest.mark.parametrize("suffix", [".png", ".npy"])
def test_densities_alone_or_beside_fixations(root, suffix):
    write_maps(root, suffix)
    dataset = read_folder(root, density_sigma=3.0)
    assert (dataset.has_fixations, dataset.has_density, dataset.density_sigma) == (False, True, None)
    expected = np.arange(24 * 32).reshape(24, 32) / (7 if suffix == ".npy" else 1)
    np.testing.assert_allclose(dataset[0].density, expected, rtol=1e-6)
    assert dataset[0].density.dtype == np.float32
    write_csv(root, "a,1,2", header="image,x,y")
    assert (read_folder(root, density_sigma=3.0).has_fixations, read_folder(root)[0].density.max() > 1) == (True, True)


def test_wrong_densities(root):
    write_maps(root, ".npy")
    for values, message in ((np.full((24, 32), -1.0), "negative"), (np.full((24, 32), np.nan), "NaN"),
                            (np.zeros((3, 3)), "3 x 3")):  # fmt: skip
        np.save(root / "maps" / "a.npy", values)
        with pytest.raises(CorruptFileError, match=message):
            read_folder(root)[0]
    (root / "maps" / "a.npy").rename(root / "maps" / "A.npy")
    with pytest.raises(MissingFilesError, match=r"1 of 3 images have no density.*A\.npy differs only in letter case"):
        read_folder(root)
    with pytest.warns(UserWarning, match=r"1 of 3 images are unreadable and skipped: a"):
        assert read_folder(root, reading=Reading(unreadable="skip")).ids == ("b/c", "ünïcode 名")


def test_two_kinds_of_fixations_are_one_too_many(root):
    write_csv(root, "a,1,2", header="image,x,y")
    (root / "fixations").mkdir()
    with pytest.raises(UserError, match=r"fixations\.csv and fixations/: keep only one"):
        read_folder(root)


def test_names_that_differ_in_case_alone(root):
    write_picture(root / "images" / "A.png", (24, 32))
    with pytest.raises(UserError, match=r"A\.png and .*a\.png differ only in letter case"):
        read_folder(root)


def test_splits(root):
    (root / "splits.json").write_text(json.dumps({"test": ["b/c.png"], "train": ["ünïcode 名", "a"]}), encoding="utf-8")
    assert list(read_parts(root)) == ["train", "test"]
    assert read_folder(root, "train").ids == ("ünïcode 名", "a")
    assert (read_folder(root, "test").ids, read_folder(root, "test").split) == (("b/c",), "test")
    with pytest.raises(UserError, match=r"no val part: splits\.json names train, test"):
        read_folder(root, "val")


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"train": ["a"], "val": ["a"]}', "a is named twice"), ('{"train": ["x"]}', "1 images of train are missing: x"),
     ('{"train": 3}', "cannot read"), ("{", "cannot read"), ("{}", "no part"),
     ('{"train": ["a"], "validation": ["b/c"]}', "unknown part 'validation'; the parts are train, val, test")],
)  # fmt: skip
def test_wrong_splits(root, content, message):
    (root / "splits.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_folder(root, "train")


def test_a_damaged_picture_that_a_part_names_is_left_out_if_asked(root):
    write_csv(root, "a,1,2,k,0", "b/c,1,2,k,0", "ünïcode 名,1,2,k,0")
    (root / "splits.json").write_text(json.dumps({"train": ["a.png", "b/c.png"]}))
    (root / "images" / "a.png").write_bytes(b"damaged")
    with pytest.raises(CorruptFileError, match=r"a\.png"):
        read_folder(root, "train")
    with pytest.warns(UserWarning, match=r"1 of 3 images are unreadable.*: a|1 images of train are skipped: a") as said:
        assert read_folder(root, "train", reading=Reading(unreadable="skip")).ids == ("b/c",)
    assert len(said) == 2
    (root / "splits.json").write_text('{"train": ["a"]}')
    with (
        pytest.raises(MissingFilesError, match="1 images of train are missing: a"),
        pytest.warns(match="skipped: a"),
    ):
        read_folder(root, "train", reading=Reading(unreadable="skip"))


def test_a_fault_in_the_table_of_all_is_skipped_with_no_picture(root):
    write_csv(root, "a,1,2,k,0", "b/c,here,2,k,0")
    with pytest.raises(CorruptFileError, match=r"fixations\.csv, line 3: 'here' is not a number \(x\)"):
        read_folder(root, reading=Reading(unreadable="skip"))


def test_maps_of_other_names_are_named(root):
    for name in SIZES:
        write_picture(root / "maps" / f"{name}_density.png", SIZES[name], gray=True)
    with pytest.raises(
        MissingFilesError, match=r"3 files there belong to no image, first \S*a_density\.png.*name of its image"
    ):
        read_folder(root)


def test_pictures_alone_leave_no_trace(root):
    read_folder(root)
    assert not (root / ".explainsal").exists()
