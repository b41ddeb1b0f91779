"""Readers of MIT300, CAT2000, Toronto, PASCAL-S and OSIE on look-alikes: a planted point per convention, every trap."""

import shutil

import h5py
import numpy as np
import pytest
import scipy.io
from matio import save_to_mat
from matio.utils.matclass import MatlabContainerMap
from tests.data.lookalikes.cat2000 import SIZE as CAT_SIZE
from tests.data.lookalikes.cat2000 import write_cat2000
from tests.data.lookalikes.mit300 import write_mit300
from tests.data.lookalikes.osie import write_osie
from tests.data.lookalikes.pascal_s import write_pascal_s
from tests.data.lookalikes.pictures import cell, struct
from tests.data.lookalikes.toronto import SIZE as TORONTO_SIZE
from tests.data.lookalikes.toronto import write_toronto

from explainsal.data.cat2000 import read_cat2000
from explainsal.data.mit300 import read_mit300
from explainsal.data.osie import read_osie
from explainsal.data.pascal_s import read_pascal_s
from explainsal.data.toronto import read_toronto
from explainsal.errors import CorruptFileError, MissingFilesError, UserError


def test_mit300_is_images_alone_in_natural_order(tmp_path):
    write_mit300(tmp_path)
    dataset = read_mit300(tmp_path)
    assert dataset.ids == tuple(f"i{n}" for n in range(1, 12))
    assert dataset.sizes[1:3] == [(30, 40), (40, 28)]
    assert dataset[9].fixations is dataset[9].density is None
    with pytest.raises(UserError, match=r"no ground truth.*predicted"):
        dataset.all_fixations()
    assert len(read_mit300(tmp_path / "BenchmarkIMAGES")) == 11
    with pytest.raises(MissingFilesError, match=r"BenchmarkIMAGES\.zip"):
        read_mit300(tmp_path / "BenchmarkIMAGES" / "SM" / "none")


@pytest.fixture(scope="module")
def cat2000(tmp_path_factory):
    root = tmp_path_factory.mktemp("cat2000")
    return root, write_cat2000(root)


def cleaned(points, shift):
    """Inside the image, no NaN, no repetition of the point before."""
    kept = []
    for x, y in np.array(points, float) - 1:
        if 0 <= x < CAT_SIZE[1] and 0 <= y < CAT_SIZE[0] and [[x, y]] != kept[-1:]:
            kept.append([x, y])
    return (np.array(kept) + 1 - shift).tolist()


def test_cat2000_scanpaths(cat2000):
    root, written = cat2000
    dataset = read_cat2000(root, "all")
    assert dataset.ids == tuple(
        f"{c}/{n}" for c in ("Action", "BlackWhite", "Satelite") for n in ("001", "002", "010", "134")
    )
    for index, key in enumerate(dataset.ids):
        expected = [point for _, points in written[key] for point in cleaned(points, 0.5)]
        assert dataset[index].fixations.tolist() == expected
    assert dataset[0].fixations[:3].tolist() == [[0.5, 0.5], [4.5, 1.5], [47.5, 26.5]]
    assert dataset[0].fixations[3:].tolist() == [[4.5, 1.5]]  # outside between two equal ones: one fixation
    assert dataset._fixations.observer[:4].tolist() == [0, 0, 0, 1]
    assert (dataset.release, dataset.density_sigma) == ("scanpaths", 40.0)
    assert dataset[4].image.shape == (27, 48, 3)  # BlackWhite is stored grey


def test_cat2000_fractions_are_counted_from_the_first_pixel_s_edge(tmp_path):
    write_cat2000(tmp_path)
    records = {f"Action/{n:03d}.jpg": cell([struct(name="1-2-ab.eye", data=np.array([[1.0, 1.0], [2.25, 3.5]]))])
               for n in (1, 2, 10, 134)}  # fmt: skip
    for category in ("BlackWhite", "Satelite"):
        shutil.rmtree(tmp_path / "trainSet" / "Stimuli" / category)
    save_to_mat(str(tmp_path / "trainSet" / "allFixData.mat"), {"allData": MatlabContainerMap(records)}, version="v7")
    assert read_cat2000(tmp_path, "all")[0].fixations.tolist() == [[0, 0], [1.25, 2.5]]


def test_cat2000_maps_and_test_images(cat2000):
    root, written = cat2000
    maps = read_cat2000(root, "all", ground_truth="maps")
    for index, key in enumerate(maps.ids):
        pixels = {tuple(p) for _, points in written[key] for p in cleaned(points, 0.5)}
        assert {tuple(p) for p in maps[index].fixations.tolist()} == pixels
        assert len(maps[index].fixations) == len(pixels)
    test = read_cat2000(root, "test")
    assert len(test) == 12
    assert test.has_fixations is test.has_density is False
    assert test.sizes[-1] == CAT_SIZE == test[11].size  # the tag that asks to turn 134.jpg is passed over


def test_cat2000_errors(cat2000, tmp_path):
    root = shutil.copytree(cat2000[0], tmp_path / "cat2000")
    with pytest.raises(ValueError, match="all or test"):
        read_cat2000(root, "train")
    mat = root / "trainSet" / "allFixData.mat"
    mat.write_bytes(mat.read_bytes()[:500])
    with pytest.raises(CorruptFileError, match=r"allFixData\.mat"):
        read_cat2000(root, "all")
    mat.unlink()
    with pytest.raises(MissingFilesError, match=r"trainSet\.zip"):
        read_cat2000(root, "all")
    (root / "trainSet" / "FIXATIONLOCS" / "Action" / "001.mat").unlink()
    with pytest.raises(MissingFilesError, match=r"1 of 12 images have no \.mat file.*Action/001"):
        read_cat2000(root, "all", ground_truth="maps")
    with pytest.raises(MissingFilesError, match="903ec668df2e5a8470aef9d8654e7985"):
        read_cat2000(root / "nowhere", "test")


def test_toronto(tmp_path):
    written = write_toronto(tmp_path)
    dataset = read_toronto(tmp_path)
    assert dataset.ids == tuple(map(str, range(1, 12)))  # 10 after 9
    for index, points in enumerate(written):
        expected = sorted([x + 0.5, y + 0.5] for x, y in points)
        assert sorted(dataset[index].fixations.tolist()) == expected
    assert dataset.fixation_count == 33
    mat = tmp_path / "eyetrackingdata" / "fixdens" / "origfixdata.mat"
    scipy.io.savemat(mat, {"white": cell([np.zeros(TORONTO_SIZE)] * 3, (1, 3))})
    with pytest.raises(CorruptFileError, match="3 maps, but none of image 4"):
        read_toronto(tmp_path)
    scipy.io.savemat(mat, {"white": cell([np.zeros(TORONTO_SIZE[::-1])] * 11, (1, 11))})  # axes swapped
    with pytest.raises(CorruptFileError, match=r"51 x 68"):
        read_toronto(tmp_path)
    mat.unlink()
    with pytest.raises(MissingFilesError, match=r"eyetrackingdata\.zip"):
        read_toronto(tmp_path)


def test_pascal_s(tmp_path):
    written = write_pascal_s(tmp_path)
    dataset = read_pascal_s(tmp_path)
    assert len(set(dataset.sizes)) == 3
    for index, rows in enumerate(written):
        by_observer = sorted(rows, key=lambda row: row[2])
        assert dataset[index].fixations.tolist() == [[c - 0.5, r - 0.5] for r, c, _ in by_observer]
    assert dataset._fixations.observer[:4].tolist() == [0, 0, 1, 7]
    mat = tmp_path / "datasets" / "fixations" / "pascalFix.mat"
    with h5py.File(mat, "r+") as file:
        file["fixCell"][0, 2] = file.create_dataset("empty", data=np.zeros(2, np.uint64)).ref
    assert [len(p) for p in read_pascal_s(tmp_path).all_fixations()[0][:3]] == [4, 4, 0]
    scipy.io.savemat(mat, {"fixCell": np.zeros((1, 11))})  # saved again in another version
    with pytest.raises(CorruptFileError, match=r"pascalFix\.mat"):
        read_pascal_s(tmp_path)
    mat.unlink()
    with pytest.raises(MissingFilesError, match="TLS certificate"):
        read_pascal_s(tmp_path)


def test_osie_in_the_repository_s_folders(tmp_path):
    written = write_osie(tmp_path, range(1349, 1405))
    dataset = read_osie(tmp_path, "all")
    assert len(dataset) == 56
    np.testing.assert_array_equal(dataset[0].fixations, np.concatenate(written["1349"]) - 0.5)
    assert read_osie(tmp_path, "val").ids == tuple(str(n) for n in range(1351, 1401))
    with pytest.raises(MissingFilesError, match="348 images of the train split"):
        read_osie(tmp_path, "train")
