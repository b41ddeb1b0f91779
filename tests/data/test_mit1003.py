"""MIT1003's reader on a look-alike: coordinates, counts, both kinds of ground truth, and every trap of the archives."""

import shutil

import numpy as np
import pytest
import scipy.io
from tests.data.lookalikes.mit1003 import LONG, OBSERVERS, SIZES, write_mit1003, write_scanpaths, write_trial

from explainsal.data.mit1003 import read_eye_data, read_mit1003
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError, MissingFilesError, UserError


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    root = tmp_path_factory.mktemp("mit1003")
    return root, write_mit1003(root)


@pytest.fixture
def copy(published, tmp_path):
    return shutil.copytree(published[0], tmp_path / "mit1003"), published[1]


def inside(points, size):
    return points[((points > 0) & (points < (size[1], size[0]))).all(axis=1)]


@pytest.mark.parametrize("initial", [False, True])
def test_fixations_are_the_stops_of_the_gaze_without_the_cross(published, initial):
    root, stops = published
    dataset = read_mit1003(root, initial_fixation=initial)
    assert dataset.ids == tuple(sorted(SIZES))
    assert dataset.sizes == [SIZES[stem] for stem in dataset.ids]
    for index, stem in enumerate(dataset.ids):
        expected = [inside(s[0 if initial else 1 :], SIZES[stem]) for s in stops[stem]]
        np.testing.assert_array_equal(dataset[index].fixations, np.concatenate(expected))
    assert (dataset.name, dataset.split) == ("mit1003", "all")
    assert (dataset.release, dataset.density_sigma) == ("gaze with initial fixation" if initial else "gaze", 24.0)


def test_observers_times_and_durations_are_known(published):
    root, stops = published
    table = read_mit1003(root)._fixations
    rows = slice(table.offsets[0], table.offsets[1])
    counts = np.bincount(table.observer[rows], minlength=len(OBSERVERS))
    assert counts.tolist() == [len(inside(s[1:], table.sizes[0])) for s in stops[table.ids[0]]]
    assert (table.t > 0.4).all()  # the cross comes first
    assert np.abs(table.duration - 0.5).max() < 0.06


def test_both_orders_of_fields_and_a_name_cut_to_63_letters(published):
    root, stops = published
    for observer in (0, 1):
        path = root / "DATA" / OBSERVERS[observer] / f"{LONG}.mat"
        (variable,) = (name for name in scipy.io.loadmat(path) if not name.startswith("__"))
        assert variable == LONG[:63] != LONG
        np.testing.assert_array_equal(np.unique(read_eye_data(path), axis=0), np.unique(stops[LONG][observer], axis=0))


def test_maps_hold_each_fixated_pixel_once_and_no_jpeg_noise(published):
    root, stops = published
    dataset = read_mit1003(root, ground_truth="maps")
    assert (dataset.release, dataset.density_sigma) == ("maps", None)
    for index, stem in enumerate(dataset.ids):
        pixels = np.unique(np.floor(inside(np.concatenate([s[1:] for s in stops[stem]]), SIZES[stem])), axis=0)
        np.testing.assert_array_equal(np.unique(dataset[index].fixations, axis=0), pixels + 0.5)
        assert dataset[index].density.max() > 250
    assert dataset.fixation_count < read_mit1003(root).fixation_count


@pytest.mark.parametrize("folders", [("ALLSTIMULI",), ("DATA",), ("ALLSTIMULI", "DATA", "ALLFIXATIONMAPS")])
def test_archives_in_folders_of_their_own_name(copy, folders):
    root, _ = copy
    expected = read_mit1003(root)[1].fixations
    for name in folders:
        (root / name).rename(root / "moving")
        (root / name).mkdir()
        (root / "moving").rename(root / name / name)
    np.testing.assert_array_equal(read_mit1003(root)[1].fixations, expected)
    assert len(read_mit1003(root, ground_truth="maps")) == 3


def test_images_may_end_in_jpg(copy):
    root, _ = copy
    for path in (root / "ALLSTIMULI").glob("[!.]*.jpeg"):
        path.rename(path.with_suffix(".jpg"))
    assert len(read_mit1003(root)) == 3
    (root / "ALLSTIMULI" / "i2131443718.jpeg").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"i2131443718\.jpeg and .*i2131443718\.jpg differ only in letter case or suffix"
    ):
        read_mit1003(root)


def test_a_missing_trial_is_named_or_its_image_skipped(copy):
    root, _ = copy
    (root / "DATA" / "ems" / "i2131443718.mat").unlink()
    with pytest.raises(MissingFilesError, match=r"1 of 45 trials.*ems/i2131443718\.mat"):
        read_mit1003(root)
    with pytest.warns(UserWarning, match=r"1 of 3 images are unreadable and skipped: i2131443718"):
        dataset = read_mit1003(root, reading=Reading(unreadable="skip"))
    assert len(dataset) == 2
    assert dataset[1].id == LONG


@pytest.mark.parametrize("damage", ["cut", "empty", "other fields", "no trial"])
def test_a_damaged_trial_is_named(copy, damage):
    root, _ = copy
    path = root / "DATA" / "zb" / f"{LONG}.mat"
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:200])
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        scipy.io.savemat(path, {"a": 1} if damage == "no trial" else {"a": 1, "b": 2})
    with pytest.raises(CorruptFileError, match=r"zb/istatic.*Unpack DATA\.zip again"):
        read_mit1003(root)


def test_a_trial_of_blinks_or_of_nothing_has_no_fixation(copy):
    root, stops = copy
    stem = "i05june05_street"
    write_trial(root / "DATA" / "zb" / f"{stem}.mat", stem, np.zeros((0, 2)))
    write_trial(root / "DATA" / "ya" / f"{stem}.mat", stem, np.full((700, 2), -10.0))
    expected = sum(len(inside(s[1:], SIZES[stem])) for s in stops[stem][:-2])
    assert len(read_mit1003(root)[0].fixations) == expected


def test_what_is_missing_says_where_it_comes_from(copy):
    root, _ = copy
    with pytest.raises(MissingFilesError, match=r"WherePeopleLook/ALLSTIMULI\.zip"):
        read_mit1003(root / "nowhere")
    shutil.rmtree(root / "ALLFIXATIONMAPS")
    with pytest.raises(MissingFilesError, match="fixMap"):
        read_mit1003(root, ground_truth="maps")
    shutil.rmtree(root / "DATA")
    with pytest.raises(MissingFilesError, match="0d7df8b954ecba69b6796e77b9afe4b6"):
        read_mit1003(root)


def test_wrong_arguments(published):
    with pytest.raises(ValueError, match="one of gaze, scanpaths, maps"):
        read_mit1003(published[0], ground_truth="fixations")
    with pytest.raises(ValueError, match="initial_fixation false for maps"):
        read_mit1003(published[0], ground_truth="maps", initial_fixation=True)


@pytest.fixture
def fixatons(tmp_path):
    return tmp_path, write_scanpaths(tmp_path)


@pytest.mark.parametrize("initial", [False, True])
@pytest.mark.filterwarnings("ignore:.*are outside their image")
def test_the_scanpaths_of_fixatons(fixatons, initial):
    root, stops = fixatons
    dataset = read_mit1003(root, initial_fixation=initial)
    assert (dataset.ids, dataset.release) == (
        tuple(sorted(SIZES)),
        "scanpaths with initial fixation" if initial else "scanpaths",
    )
    for index, stem in enumerate(dataset.ids):
        height, width = SIZES[stem]
        paths = [s[0 if initial else 1 :] for s in stops[stem]]
        kept = [p[((p >= 0) & (p < (width, height))).all(1)] for p in paths]
        np.testing.assert_array_equal(dataset[index].fixations, np.concatenate(kept))
    table = dataset._fixations
    counts = np.bincount(table.observer[: table.offsets[1]], minlength=len(OBSERVERS))
    first = [s[0 if initial else 1 :] for s in stops[dataset.ids[0]]]
    height, width = SIZES[dataset.ids[0]]
    assert counts.tolist() == [((p >= 0) & (p < (width, height))).all(1).sum() for p in first]
    np.testing.assert_allclose(table.duration, 0.4, atol=1e-6)
    assert table.t.min() == (0 if initial else 0.5)


def test_points_beside_the_image_are_counted_in_a_warning(fixatons):
    root, stops = fixatons
    total = sum(len(s) - 1 for image in stops.values() for s in image)
    with pytest.warns(UserWarning, match=rf"6 of {total} fixations are outside"):
        read_mit1003(root)


@pytest.mark.filterwarnings("ignore:.*are outside their image")
def test_raw_gaze_goes_before_scanpaths_unless_they_are_named(tmp_path):
    write_mit1003(tmp_path)
    write_scanpaths(tmp_path)
    assert read_mit1003(tmp_path).release == "gaze"
    assert read_mit1003(tmp_path, ground_truth="scanpaths").release == "scanpaths"


@pytest.mark.filterwarnings("ignore:.*are outside their image")
def test_a_missing_scanpath_is_named_or_its_image_skipped(fixatons):
    root, _ = fixatons
    (root / "SCANPATHS" / "i2131443718" / "ems").unlink()
    with pytest.raises(MissingFilesError, match=r"1 of 45 trials.*i2131443718/ems"):
        read_mit1003(root)
    skipping = Reading(unreadable="skip")
    with pytest.warns(UserWarning, match="1 of 3 images are unreadable"):
        assert "i2131443718" not in read_mit1003(root, reading=skipping).ids
    shutil.rmtree(root / "SCANPATHS" / "i2131443718")
    with pytest.raises(MissingFilesError, match="1 of 3 images have no scanpaths"):
        read_mit1003(root)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*are outside their image")
def test_the_whole_of_mit1003_as_pysaliency_finds_it(shared, tmp_path):
    """pysaliency: 104,171 fixations, 121 on the first image, mean 487.1368, 392.7273; rounding and the edges differ."""
    root = shared / "data" / "mit1003"
    if not (root / "SCANPATHS").is_dir():
        pytest.skip("needs MIT1003")
    dataset = read_mit1003(root, reading=Reading(cache=tmp_path))
    assert (len(dataset), dataset.fixation_count, len(dataset[0].fixations)) == (1003, 104_147, 121)
    points = np.concatenate(dataset.all_fixations()[0])
    np.testing.assert_allclose(points.mean(0), (487.1368, 392.7273), atol=0.01)
    np.testing.assert_allclose(points.std(0), (190.0203, 159.9921), atol=0.02)
    assert read_mit1003(root, initial_fixation=True, reading=Reading(cache=tmp_path)).fixation_count == 119_189
