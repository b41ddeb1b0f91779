"""Shrunk training splits: means of areas, densities that sum to 1, made once, made again when something changed."""

from __future__ import annotations

import albumentations as A
import numpy as np
import pytest

from explainsal.data.augmentation import Augmentation
from explainsal.data.small import SmallSamples, predict_densities, shrink, shrink_dataset, shrink_density
from explainsal.datamodules.synthetic import SyntheticDataModule
from explainsal.errors import UserError

SIZE = (12, 16)


@pytest.fixture
def scenes(tmp_path):
    sizes = {"train": 4, "val": 2, "test": 1}
    return SyntheticDataModule(
        tmp_path / "scenes", sizes=sizes, image_size=(24, 32), seed=0, batch_size=2, num_workers=0
    )


def test_a_shrunk_pixel_is_the_mean_of_its_area():
    picture = np.arange(24, dtype=np.uint8).reshape(4, 6)
    np.testing.assert_array_equal(shrink(picture, (2, 3)), picture.reshape(2, 2, 3, 2).mean(axis=(1, 3)).round())
    density = shrink_density(picture, (2, 3))
    np.testing.assert_allclose(density, picture.reshape(2, 2, 3, 2).sum(axis=(1, 3)) / picture.sum(), rtol=1e-6)
    assert (shrink_density(np.zeros((4, 6), np.uint8), (2, 3)) == 0).all()


def test_samples_are_those_of_the_data_set_without_points(scenes):
    dataset = scenes.dataset("train")
    small = shrink_dataset(dataset, SIZE)
    assert small.ids == dataset.ids
    assert small.sizes == [SIZE] * 4
    for i in range(4):
        np.testing.assert_array_equal(small[i].image, shrink(dataset[i].image, SIZE))
        np.testing.assert_allclose(small[i].density, shrink_density(dataset[i].density, SIZE))
        assert (small[i].index, small[i].fixations) == (i, None)
    assert small.densities.sum(axis=(1, 2)) == pytest.approx(1, abs=1e-5)
    with pytest.raises(IndexError):
        small[4]


def test_augmentation_sees_the_small_picture_and_its_target_together(scenes):
    small = shrink_dataset(scenes.dataset("train"), SIZE)
    flip = Augmentation({"flip": A.HorizontalFlip(p=1)})
    sample = small.with_transform(flip)[1]
    np.testing.assert_array_equal(sample.image, small.images[1][:, ::-1])
    np.testing.assert_array_equal(sample.density, small.densities[1][:, ::-1])


def test_a_teacher_has_its_share_of_the_target():
    people, teacher = np.zeros((1, 2, 2), np.float32), np.full((1, 2, 2), 0.25, np.float32)
    people[0, 0, 0] = 1
    samples = SmallSamples(["a"], np.zeros((1, 2, 2, 3), np.uint8), people)
    blended = samples.blended(teacher, 0.4)[0].density
    np.testing.assert_allclose(blended, [[0.7, 0.1], [0.1, 0.1]], rtol=1e-6)
    assert samples[0].density[0, 0] == 1


def test_what_was_made_is_kept_until_something_changes(scenes, tmp_path, monkeypatch):
    dataset = scenes.dataset("train")
    first = shrink_dataset(dataset, SIZE, tmp_path / "kept")
    decoded = []
    monkeypatch.setattr(type(dataset), "__getitem__", lambda self, i: decoded.append(i))
    again = shrink_dataset(dataset, SIZE, tmp_path / "kept")
    np.testing.assert_array_equal(again.images, first.images)
    np.testing.assert_array_equal(again.densities, first.densities)
    assert not decoded
    monkeypatch.undo()
    kept = list((tmp_path / "kept").iterdir())
    np.testing.assert_array_equal(shrink_dataset(dataset, (6, 8), tmp_path / "kept").images.shape, (4, 6, 8, 3))
    assert kept[0].is_file()  # another size is another file
    other = dataset.select([0, 1, 3])
    assert len(shrink_dataset(other, SIZE, tmp_path / "kept")) == 3
    assert not kept[0].is_file()  # the same split of other images replaces it


def test_a_damaged_file_is_made_again(scenes, tmp_path, caplog):
    dataset = scenes.dataset("train")
    first = shrink_dataset(dataset, SIZE, tmp_path)
    (file,) = tmp_path.glob("*.npz")
    file.write_bytes(file.read_bytes()[:200])
    np.testing.assert_array_equal(shrink_dataset(dataset, SIZE, tmp_path).images, first.images)
    assert "rebuilding it" in caplog.text
    assert not list(tmp_path.glob(".writing-*"))


def test_a_teacher_is_asked_once_per_picture_and_by_its_name(scenes, tmp_path):
    dataset, asked = scenes.dataset("train"), []

    def predict(picture):
        asked.append(picture.shape)
        return picture[..., 0].astype(float) + 1

    first = predict_densities(dataset, predict, "one", SIZE, tmp_path)
    np.testing.assert_allclose(first[2], shrink_density(predict(dataset[2].image), SIZE))
    assert asked == [(24, 32, 3)] * 5
    np.testing.assert_array_equal(predict_densities(dataset, predict, "one", SIZE, tmp_path), first)
    assert len(asked) == 5
    predict_densities(dataset, predict, "another", SIZE, tmp_path)
    assert len(asked) == 9


def test_a_data_set_without_densities_is_refused(scenes):
    dataset = scenes.dataset("train")
    dataset._maps = None
    with pytest.raises(UserError, match="no fixation densities"):
        shrink_dataset(dataset, SIZE)
