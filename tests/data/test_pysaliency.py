"""pysaliency's files, in every form, read with h5py alone."""

import h5py
import numpy as np
import pytest
from tests.data.lookalikes.pictures import write_picture
from tests.data.lookalikes.pysaliency import FORMS, SCANPATHS, write_file_stimuli, write_fixations, write_stimuli

from explainsal.data.folder import Chosen, read_folder
from explainsal.data.pysaliency_export import write_scanpaths
from explainsal.data.pysaliency_hdf5 import form, read_scanpaths, read_stimuli
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

NAMES = ["stimuli/b/2.png", "stimuli/a/10.png", "stimuli/a/9.png"]


@pytest.mark.parametrize(("kind", "version"), FORMS)
def test_every_form_holds_the_same_scanpaths(tmp_path, kind, version):
    write_fixations(tmp_path / "f.hdf5", kind, version)
    assert form(tmp_path / "f.hdf5") == kind
    found = read_scanpaths(tmp_path / "f.hdf5")
    assert sorted(found) == [0, 2]
    flat = [(n, path) for n in sorted(found) for path in found[n]]
    for (n, path), (expected_n, subject, x, y, t, duration) in zip(flat, SCANPATHS, strict=True):
        assert (n, path.observer) == (expected_n, subject)
        np.testing.assert_array_equal(path.points, np.stack([x, y], 1))
        np.testing.assert_array_equal(path.t, t)
        np.testing.assert_array_equal(path.duration, duration)


@pytest.mark.parametrize("version", ["1.0", "2.0", "2.1"])
def test_a_folder_of_file_stimuli_keeps_their_order(tmp_path, version):
    for k, name in enumerate(NAMES):
        write_picture(tmp_path / name, (24, 32), k)
    write_file_stimuli(tmp_path / "stimuli.hdf5", NAMES, [(24, 32, 3)] * 3, version)
    write_fixations(tmp_path / "fixations.hdf5", "FixationTrains", "1.2")
    dataset = read_folder(tmp_path)
    assert dataset.ids == ("b/2", "a/10", "a/9")
    assert dataset[0].fixations.tolist() == [[1.5, 2], [30.25, 20.5], [7, 3], [10, 11]]
    assert [len(p) for p in dataset.all_fixations()[0]] == [4, 0, 2]
    assert dataset._fixations.observer.tolist() == [0, 0, 0, 2, 1, 1]
    assert dataset.release == "pysaliency"
    (tmp_path / NAMES[1]).unlink()
    with pytest.raises(MissingFilesError, match=r"a/10\.png"):
        read_folder(tmp_path)


def test_stimuli_that_the_file_holds_are_unpacked_once(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (24, 32, 3), dtype=np.uint8) for _ in range(2)]
    pictures.append(rng.integers(0, 255, (24, 32), dtype=np.uint8))
    write_stimuli(tmp_path / "stimuli.hdf5", pictures)
    write_fixations(tmp_path / "fixations.hdf5", "Scanpaths", "1.0")
    dataset = read_folder(tmp_path, reading=Reading(cache=tmp_path / "cache"))
    assert dataset.ids == ("0", "1", "2")
    for k, picture in enumerate(pictures):
        expected = picture if picture.ndim == 3 else np.repeat(picture[..., None], 3, 2)
        np.testing.assert_array_equal(dataset[k].image, expected)
    times = [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache").rglob("*.png"))]
    read_folder(tmp_path, reading=Reading(cache=tmp_path / "cache"))
    assert [path.stat().st_mtime_ns for path in sorted((tmp_path / "cache").rglob("*.png"))] == times


def test_whole_numbers_throughout_are_pixels(tmp_path):
    write_picture(tmp_path / "images" / "a.png", (24, 32))
    with h5py.File(tmp_path / "fixations.h5", "w") as file:
        file.attrs["type"], file.attrs["version"] = np.bytes_("Fixations"), np.bytes_("1.0")
        for name, values in {
            "x": [0.0, 31],
            "y": [23.0, 0],
            "t": [np.nan] * 2,
            "n": [0, 0],
            "subjects": [0, 0],
        }.items():
            file[name] = np.array(values)
    dataset = read_folder(tmp_path, density_sigma=2.0)
    assert dataset[0].fixations.tolist() == [[0.5, 23.5], [31.5, 0.5]]
    assert dataset._fixations.t is None
    assert dataset[0].density.sum() == pytest.approx(2, rel=1e-5)


def test_one_of_several_files_is_chosen_by_name(tmp_path):
    for k, name in enumerate(NAMES):
        write_picture(tmp_path / name, (24, 32), k)
    for name, pictures in (("s1.hdf5", NAMES), ("s2.hdf5", NAMES[:1])):
        write_file_stimuli(tmp_path / name, pictures, [(24, 32, 3)] * len(pictures), "2.1")
    with pytest.raises(UserError, match=r"s1\.hdf5 and s2\.hdf5: which one\? Choose it with data\.stimuli=s1\.hdf5"):
        read_folder(tmp_path)
    assert len(read_folder(tmp_path, chosen=Chosen(stimuli="s1.hdf5"))) == 3
    assert len(read_folder(tmp_path, chosen=Chosen(stimuli="s2.hdf5"))) == 1
    with pytest.raises(MissingFilesError, match=r"data\.stimuli=s3\.hdf5: no such file"):
        read_folder(tmp_path, chosen=Chosen(stimuli="s3.hdf5"))
    with pytest.raises(UserError, match=r"data\.fixations=s1\.hdf5 holds FileStimuli, not fixations"):
        read_folder(tmp_path, chosen=Chosen("s1.hdf5", "s1.hdf5"))


def test_one_unknown_duration_does_not_lose_the_others(tmp_path):
    write_picture(tmp_path / "images" / "a.png", (24, 32))
    tmp_path.joinpath("fixations.csv").write_text("image,x,y,subject,duration\na,1,2,0,0.2\na,3,4,0,\na,5,6,1,\n")
    dataset = read_folder(tmp_path)
    np.testing.assert_array_equal(dataset.fixations.duration, np.float32([0.2, np.nan, np.nan]))
    write_scanpaths(tmp_path / "f.hdf5", dataset.fixations)
    first, second = read_scanpaths(tmp_path / "f.hdf5")[0]
    np.testing.assert_array_equal(first.duration, np.float32([0.2, np.nan]))
    assert second.duration is None


def test_an_unknown_version_says_what_can_be_read(tmp_path):
    write_fixations(tmp_path / "f.hdf5", "FixationTrains", "1.2")
    with h5py.File(tmp_path / "f.hdf5", "r+") as file:
        file.attrs["version"] = np.bytes_("2.0")
    with pytest.raises(UserError, match=r"FixationTrains 2\.0.*FixationTrains 1\.0/1\.1/1\.2/1\.3.*0\.2\.22"):
        read_scanpaths(tmp_path / "f.hdf5")
    with pytest.raises(UserError, match="FixationTrains"):
        read_stimuli(tmp_path / "f.hdf5")


def test_fixations_of_other_stimuli_are_refused(tmp_path):
    write_picture(tmp_path / "images" / "a.png", (24, 32))
    write_fixations(tmp_path / "f.hdf5", "FixationTrains", "1.2")
    with pytest.raises(CorruptFileError, match="stimulus 2.*1 images"):
        read_folder(tmp_path)


def test_damaged_files(tmp_path):
    write_picture(tmp_path / "images" / "a.png", (24, 32))
    path = tmp_path / "f.hdf5"
    write_fixations(path, "FixationTrains", "1.2")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match=r"f\.hdf5"):
        read_folder(tmp_path)
    path.write_bytes(whole)
    with h5py.File(path, "r+") as file:
        del file["train_ys"]
    with pytest.raises(CorruptFileError, match=r"f\.hdf5.*train_ys"):
        read_folder(tmp_path)
    write_fixations(tmp_path / "g.hdf5", "Fixations", "1.0")
    with pytest.raises(UserError, match=r"f\.hdf5 and g\.hdf5: which one.*data.fixations=f.hdf5"):
        read_folder(tmp_path)
