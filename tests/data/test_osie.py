"""OSIE's reader on the real data: counts, coordinates and densities as published."""

import numpy as np
import pytest
import scipy.io
from scipy.ndimage import gaussian_filter

from explainsal.data.osie import read_osie
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError, MissingFilesError


@pytest.fixture
def osie(shared, tmp_path):
    def read(split, **options):
        return read_osie(shared / "data" / "osie", split, reading=Reading(cache=tmp_path), **options)

    return read


def test_splits_and_counts(osie):
    splits = {split: osie(split) for split in ("train", "val", "test")}
    assert {s: (d.ids[0], d.ids[-1], len(d)) for s, d in splits.items()} == {
        "train": ("1001", "1350", 350),
        "val": ("1351", "1400", 50),
        "test": ("1401", "1500", 100),
    }
    assert sum(d.fixation_count for d in splits.values()) == 69_876
    assert set(splits["test"].sizes) == {(600, 800)}
    assert (splits["val"].density_sigma, splits["val"].release) == (24.0, None)


def test_coordinates_against_the_file(osie, shared):
    raw = scipy.io.loadmat(shared / "data" / "osie" / "data" / "eye" / "fixations.mat")["fixations"]
    entry = raw[400, 0][0, 0]
    assert entry["img"][0] == "1401.jpg"
    subjects = [s[0][0, 0] for s in entry["subjects"]]
    expected = np.concatenate([np.stack([s["fix_x"][0], s["fix_y"][0]], 1) for s in subjects]) - 0.5
    np.testing.assert_array_equal(osie("test")[0].fixations, expected)
    points, sizes = osie("test").all_fixations()
    np.testing.assert_array_equal(points[0], expected)
    assert len(points) == len(sizes) == 100


def test_the_density_is_the_blurred_count_of_fixations(osie):
    sample = osie("val")[3]
    assert sample.image.shape == (600, 800, 3)
    counts = np.zeros((600, 800))
    columns, rows = np.floor(sample.fixations).astype(int).T
    np.add.at(counts, (rows, columns), 1)
    expected = gaussian_filter(counts, 24, mode="reflect")
    np.testing.assert_allclose(sample.density, expected, rtol=0, atol=2e-6 * expected.max())  # float32 sums


def test_another_sigma(osie):
    blurred = osie("val", density_sigma=48.0)[0].density
    assert blurred.max() < 0.5 * osie("val")[0].density.max()


def test_a_missing_image_or_folder_says_where_osie_comes_from(shared, tmp_path):
    with pytest.raises(MissingFilesError, match="predicting-human-gaze-beyond-pixels"):
        read_osie(tmp_path / "nowhere", "train")
    (tmp_path / "stimuli").mkdir()
    (tmp_path / "eye").mkdir()
    (tmp_path / "eye" / "fixations.mat").symlink_to(shared / "data" / "osie" / "data" / "eye" / "fixations.mat")
    with pytest.raises(MissingFilesError, match=r"350 images of the train split, first 1001\.jpg"):
        read_osie(tmp_path, "train")


def test_a_damaged_mat_is_named(shared, tmp_path):
    (tmp_path / "stimuli").symlink_to(shared / "data" / "osie" / "data" / "stimuli")
    (tmp_path / "eye").mkdir()
    (tmp_path / "eye" / "fixations.mat").write_bytes(b"not a .mat file" * 40)
    with pytest.raises(CorruptFileError, match=r"fixations\.mat"):
        read_osie(tmp_path, "val")


def test_wrong_split():
    with pytest.raises(ValueError, match="split"):
        read_osie(".", "validation")
