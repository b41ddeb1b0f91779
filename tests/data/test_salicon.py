"""SALICON's reader: coordinates, every layout seen in the wild, and one clear message per kind of damage."""

import pickle
import shutil
from dataclasses import replace

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from PIL import Image
from tests.data.lookalikes.salicon import GAZE, coco_names, write_mat

from explainsal.data import salicon as module
from explainsal.data.reading import Reading
from explainsal.data.salicon import read_gaze, read_salicon
from explainsal.data.sources import SALICON
from explainsal.errors import CorruptFileError, MissingFilesError, UserError


def read(root, split="train", *, ground_truth="fixations", **options):
    return read_salicon(root, split, release="2017", ground_truth=ground_truth, reading=Reading(**options))


def test_a_fixation_lies_in_the_middle_of_its_one_based_pixel(salicon):
    root, written = salicon
    dataset = read(root)
    assert dataset.ids == tuple(sorted(written["train"]))
    for index, name in enumerate(dataset.ids):
        one_based = np.array([point for observer in written["train"][name] for point in observer], dtype=float)
        np.testing.assert_array_equal(dataset[index].fixations, one_based - 0.5)
        np.testing.assert_array_equal(np.floor(dataset[index].fixations), one_based - 1)


def test_images_are_rgb_and_maps_are_left_as_published(salicon):
    root, _ = salicon
    sample = read(root)[0]
    bgr = cv2.imread(str(root / "images" / "train" / f"{sample.id}.jpg"))
    np.testing.assert_array_equal(sample.image, bgr[..., ::-1])
    np.testing.assert_array_equal(sample.density, cv2.imread(str(root / "maps" / "train" / f"{sample.id}.png"), 0))
    assert sample.density.dtype == np.uint8
    dataset = read(root)
    assert (dataset.name, dataset.split, dataset.release, dataset.density_sigma) == ("salicon", "train", "2017", None)


def test_the_test_split_has_images_alone(salicon):
    root, _ = salicon
    dataset = read(root, "test")
    assert len(dataset) == 2
    assert dataset[0].fixations is None
    assert dataset[0].density is None
    shutil.rmtree(root / "fixations" / "test")
    assert len(read(root, "test")) == 2


def test_a_mat_of_the_test_split_holds_no_gaze(salicon):
    root, _ = salicon
    with pytest.raises(
        CorruptFileError, match=r"\.mat holds no gaze: it is incomplete, or belongs to the test split\. Unpack"
    ):
        read_gaze(next((root / "fixations" / "test").iterdir()))


def test_a_mat_cut_anywhere_is_named(salicon):
    root, written = salicon
    path = root / "fixations" / "train" / f"{sorted(written['train'])[1]}.mat"
    whole = path.read_bytes()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(CorruptFileError, match=path.name):
            read_gaze(path)


@pytest.mark.parametrize("points", [[["a", "b"]], [[1j, 2]], [[1, 2, 3]], [[1, 2, 3], [4, 5, 6]], [[[1, 2]]]], ids=str)
def test_fixations_of_another_type_or_shape_are_named(tmp_path, points):
    gaze = np.zeros((1, 1), dtype=GAZE)
    gaze[0, 0] = (np.zeros((0, 0)), np.zeros((0, 1)), np.array(points))
    scipy.io.savemat(tmp_path / "a.mat", {"gaze": gaze})
    with pytest.raises(CorruptFileError, match=r"a\.mat.*fixations of shape .*instead of pairs of numbers.*Unpack"):
        read_gaze(tmp_path / "a.mat")


def test_unsigned_coordinates_do_not_wrap_and_observers_may_be_empty(tmp_path):
    write_mat(tmp_path / "a.mat", [[], [[1, 1], [640, 480]], []], dtype=np.uint16)
    observers = read_gaze(tmp_path / "a.mat")
    assert [o.shape for o in observers] == [(0, 2), (2, 2), (0, 2)]
    assert observers[1].tolist() == [[0.5, 0.5], [639.5, 479.5]]


def _together(root):  # fixations.zip and maps.zip unpacked in one place
    for kind in ("maps", "fixations"):
        shutil.copytree(root / kind, root, dirs_exist_ok=True)
        shutil.rmtree(root / kind)


def _maps_beside_mats(root):
    shutil.copytree(root / "maps", root / "fixations", dirs_exist_ok=True)
    shutil.rmtree(root / "maps")


def _flat_images(root):
    for path in list((root / "images").rglob("*.jpg")):
        path.rename(root / "images" / path.name)
    for split in ("train", "val", "test"):
        (root / "images" / split).rmdir()


def _msinet_names(root):
    (root / "images").rename(root / "stimuli")
    (root / "maps").rename(root / "saliency")


def _own_folders(root):  # each archive in a folder of its own name, twice
    for kind in ("images", "maps", "fixations"):
        (root / kind).rename(root / "moving")
        (root / kind).mkdir()
        (root / "moving").rename(root / kind / kind)


def _junk(root):
    for kind in ("images", "maps", "fixations"):
        (root / "__MACOSX").mkdir(exist_ok=True)
        for suffix in ("jpg", "png", "mat"):
            (root / kind / "train" / f"._{coco_names('train', 1)[0]}.{suffix}").write_bytes(b"junk")
            (root / kind / "train" / ".DS_Store").write_bytes(b"junk")


def _unisal_cache(root):  # binary fixation maps beside the .mat files, and the densities elsewhere
    for path in list((root / "fixations" / "train").glob("*.mat")):
        cv2.imwrite(str(path.with_suffix(".png")), np.eye(48, 64, dtype=np.uint8) * 255)


LAYOUTS = [_together, _maps_beside_mats, _flat_images, _msinet_names, _own_folders, _junk, _unisal_cache]


@pytest.mark.parametrize("change", LAYOUTS, ids=lambda f: f.__name__.strip("_"))
def test_every_layout_gives_the_same_samples(salicon, change):
    root, _ = salicon
    expected = [read(root, split)[0] for split in ("train", "val", "test")]
    change(root)
    for split, sample in zip(("train", "val", "test"), expected, strict=True):
        actual = read(root, split)[0]
        assert actual.id == sample.id
        np.testing.assert_array_equal(actual.image, sample.image)
        if split != "test":
            np.testing.assert_array_equal(actual.density, sample.density)
            np.testing.assert_array_equal(actual.fixations, sample.fixations)


def test_binary_fixation_maps_are_not_taken_for_densities(salicon):
    root, _ = salicon
    shutil.rmtree(root / "maps")
    _unisal_cache(root)
    with pytest.raises(MissingFilesError, match="fixation maps"):
        read(root)


def test_a_missing_data_set_says_where_it_comes_from_and_what_works_without_it(tmp_path):
    with pytest.raises(MissingFilesError) as error:
        read(tmp_path / "nowhere")
    message = str(error.value)
    for part in (str(tmp_path / "nowhere"), "1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5", "eb2a1bb706633d1b31fc2e01422c5757",
                 "3.0 GB", "CC BY 4.0", "data=synthetic uses generated scenes"):  # fmt: skip
        assert part in message


@pytest.mark.parametrize(("kind", "suffix"), [("maps", "png"), ("fixations", "mat")])
def test_an_image_without_partner_is_named(salicon, kind, suffix):
    root, written = salicon
    name = sorted(written["train"])[2]
    (root / kind / "train" / f"{name}.{suffix}").unlink()
    with pytest.raises(MissingFilesError, match=rf"1 of 6 images have no \.{suffix} file in .*{name}"):
        read(root)


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file" + bytes(300), None], ids=["empty", "wrong", "cut"])
def test_a_damaged_mat_is_named(salicon, content):
    root, written = salicon
    path = root / "fixations" / "train" / f"{sorted(written['train'])[1]}.mat"
    path.write_bytes(path.read_bytes()[:300] if content is None else content)
    with pytest.raises(CorruptFileError, match=path.name):
        read(root)


@pytest.mark.parametrize("kind", ["images", "maps"])
def test_a_damaged_picture_is_named(salicon, kind):
    root, _ = salicon
    path = sorted((root / kind / "train").iterdir())[3]
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptFileError, match=path.name):
        read(root)[3]


def test_a_map_of_another_size_is_refused(salicon):
    root, written = salicon
    path = root / "maps" / "train" / f"{sorted(written['train'])[0]}.png"
    cv2.imwrite(str(path), (np.arange(400) % 251).astype(np.uint8).reshape(20, 20))
    with pytest.raises(CorruptFileError, match=r"20 x 20.*48 x 64"):
        read(root)[0]


def test_grey_and_rotated_jpegs_are_read_as_stored(salicon):
    root, written = salicon
    path = root / "images" / "train" / f"{sorted(written['train'])[0]}.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to show"
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (48, 1)), mode="L").save(path, exif=exif)
    image = read(root)[0].image
    assert image.shape == (48, 64, 3)
    assert (image[..., 0] == image[..., 1]).all()


def test_points_outside_are_counted_and_dropped_or_refused(salicon):
    root, written = salicon
    name = sorted(written["train"])[1]
    write_mat(root / "fixations" / "train" / f"{name}.mat", [[[1, 1], [65, 3], [0, 5]], [[64, 48], [2, 49]]])
    with pytest.warns(UserWarning, match=r"3 of 30 fixations are outside.*" + name):
        dataset = read(root)
    assert dataset[1].fixations.tolist() == [[0.5, 0.5], [63.5, 47.5]]
    assert len(dataset[2].fixations) == 5
    with pytest.raises(CorruptFileError, match="3 of 30"):
        read(root, outside="error")


def test_the_other_release_is_recognised_by_its_total(salicon, monkeypatch):
    root, _ = salicon
    monkeypatch.setitem(module.SALICON, "2015", replace(SALICON["2015"], fixations={"train": 30}))
    with pytest.raises(UserError, match="data.release=2015"):
        read(root)
    assert len(read_salicon(root, "train", release="2015")) == 6


def test_wrong_arguments():
    with pytest.raises(ValueError, match="split"):
        read(".", "training")
    with pytest.raises(ValueError, match="release"):
        read_salicon(".", "train", release="2016")


def test_all_fixations_needs_no_image(salicon):
    root, _ = salicon
    dataset = read(root)
    for path in (root / "images" / "train").iterdir():
        path.unlink()
    points, sizes = dataset.all_fixations()
    assert [len(p) for p in points] == [5] * 6
    assert sizes == [(48, 64)] * 6


def test_selecting_and_pickling_keep_the_samples(salicon):
    root, _ = salicon
    dataset = read(root)
    part = pickle.loads(pickle.dumps(dataset.select([4, 1], split="part")))
    assert (part.split, part.ids, part[0].index) == ("part", (dataset.ids[4], dataset.ids[1]), 0)
    np.testing.assert_array_equal(part[0].fixations, dataset[4].fixations)
    np.testing.assert_array_equal(part[1].density, dataset[1].density)
    np.testing.assert_array_equal(part.all_fixations()[0][1], dataset[1].fixations)


def test_mouse_samples_instead_of_fixations(salicon):
    root, written = salicon
    name = sorted(written["train"])[0]
    gaze = np.zeros((2, 1), dtype=GAZE)
    gaze[0, 0] = (np.array([[1, 1], [700, 3], [64.5, 48]]), np.zeros((3, 1)), np.array([[5, 5]]))
    gaze[1, 0] = (np.zeros((0, 0)), np.zeros((0, 1)), np.zeros((0, 0)))
    scipy.io.savemat(root / "fixations" / "train" / f"{name}.mat", {"gaze": gaze})
    with pytest.warns(UserWarning, match="fixations are outside"):
        dataset = read(root, ground_truth="mouse")
    assert dataset[0].fixations.tolist() == [[0.5, 0.5]]
    with pytest.warns(UserWarning, match="moved"):
        clipped = read(root, ground_truth="mouse", outside="clip")[0].fixations
    np.testing.assert_allclose(clipped, [[0.5, 0.5], [64, 2.5], [64, 47.5]], rtol=1e-6)
    assert (np.floor(clipped) <= (63, 47)).all()
    assert (dataset.release, read(root).release) == ("2017 mouse", "2017")
    assert read(root)[0].fixations.tolist() == [[4.5, 4.5]]
    with pytest.raises(ValueError, match="ground_truth"):
        read(root, ground_truth="gaze")


def test_a_mat_of_version_7_3_says_how_to_save_it(salicon):
    root, written = salicon
    path = root / "fixations" / "train" / f"{sorted(written['train'])[1]}.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["gaze"] = np.zeros(3)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    with pytest.raises(CorruptFileError, match=rf"{path.name} is a MATLAB 7\.3 file.*-v7"):
        read(root)


def test_unreadable_images_are_skipped_counted_and_named_at_every_start(salicon):
    root, written = salicon
    names = sorted(written["train"])
    picture = root / "images" / "train" / f"{names[1]}.jpg"
    picture.write_bytes(picture.read_bytes()[:900])  # the header is whole
    (root / "fixations" / "train" / f"{names[2]}.mat").write_bytes(b"")
    (root / "maps" / "train" / f"{names[4]}.png").unlink()
    density = root / "maps" / "train" / f"{names[5]}.png"
    density.write_bytes(density.read_bytes()[:60])
    for _ in range(2):
        with pytest.warns(UserWarning, match=rf"3 of 5 images are unreadable and skipped: {names[1]}, {names[2]}"):
            dataset = read(root, unreadable="skip")
        assert dataset.ids == (names[0], names[3])
        for index, name in enumerate(dataset.ids):
            points = np.array([p for observer in written["train"][name] for p in observer], float) - 0.5
            np.testing.assert_array_equal(dataset[index].fixations, points)
            expected = cv2.imread(str(root / "maps" / "train" / f"{name}.png"), 0)
            np.testing.assert_array_equal(dataset[index].density, expected)
    with pytest.raises(MissingFilesError, match=r"1 of 6 images have no \.png.*unreadable=skip"):
        read(root)


def test_nothing_readable_is_an_error(salicon):
    root, _ = salicon
    for path in (root / "fixations" / "train").iterdir():
        path.write_bytes(b"")
    with pytest.raises(CorruptFileError, match="none of the 6 images"):
        read(root, unreadable="skip")


def test_two_images_of_one_stem(salicon):
    root, written = salicon
    path = root / "images" / "train" / f"{sorted(written['train'])[0]}.jpg"
    shutil.copy(path, path.with_suffix(".JPG"))
    with pytest.raises(UserError, match=r"\.JPG and .*\.jpg differ only in letter case or suffix"):
        read(root)
