"""Augmentation moves image, density and points together, and is repeated exactly by its seed."""

from dataclasses import replace

import albumentations as A
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from explainsal.data.augmentation import TrainingAugmentation
from explainsal.data.sample import SaliencySample
from explainsal.data.transforms import Augmentation

OFF = {"flip": 0.0, "affine": 0.0, "photometric": 0.0, "zoom": 1.0, "rotate": 0.0}
HEIGHT, WIDTH = 60, 80


def sample_with(points: list, density: np.ndarray | None = None) -> SaliencySample:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return SaliencySample("a", 4, image, np.array(points, dtype=np.float64).reshape(-1, 2), density)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, WIDTH - 0.01), st.floats(0.01, HEIGHT - 0.01))  # the mirror image of x = 0 is outside
def test_a_flip_is_width_minus_x(x, y):
    sample = sample_with([[x, y]], np.zeros((HEIGHT, WIDTH), np.float32))
    sample.density[int(y), int(x)] = 1
    flipped = TrainingAugmentation(**OFF | {"flip": 1.0})(sample)
    np.testing.assert_array_equal(flipped.image, sample.image[:, ::-1])
    np.testing.assert_array_equal(flipped.density, sample.density[:, ::-1])
    np.testing.assert_allclose(flipped.fixations, [[WIDTH - x, y]], rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [
    [A.Affine(scale=1.37, rotate=0, p=1)],
    [A.Affine(scale=1.0, rotate=17, p=1)],
    [A.Affine(scale=0.8, rotate=-30, translate_px={"x": 5, "y": -3}, p=1)],
    [A.VerticalFlip(p=1)],
    [A.Transpose(p=1)],
    [A.Crop(x_min=11, y_min=7, x_max=71, y_max=55, p=1)],
    [A.PadIfNeeded(min_height=90, min_width=100, border_mode=0, p=1)],
    [A.HorizontalFlip(p=1), A.Affine(scale=1.2, rotate=5, p=1)],
], ids=lambda steps: "-".join(type(s).__name__ for s in steps))  # fmt: skip
@pytest.mark.parametrize("point", [(31.5, 22.5), (44.25, 33.9), (40.0, 30.0)])
def test_points_go_where_the_density_goes(steps, point):
    """The centre of mass of a warped blob is the warped point; half a pixel is the error to catch."""
    rows, columns = np.arange(HEIGHT)[:, None] + 0.5, np.arange(WIDTH)[None] + 0.5
    blob = np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * 3.0**2)).astype(np.float32)
    out = Augmentation(steps)(sample_with([point], blob))
    rows, columns = np.arange(out.density.shape[0])[:, None] + 0.5, np.arange(out.density.shape[1])[None] + 0.5
    centre = [float((out.density * c).sum() / out.density.sum()) for c in (columns, rows)]
    np.testing.assert_allclose(out.fixations, [centre], rtol=0, atol=0.1)  # OpenCV interpolates in 1/32 px steps


def test_points_that_leave_are_dropped_and_repeated_points_stay_repeated():
    points = [[70.5, 30.5], [5.5, 5.5], [70.5, 30.5], [70.5, 30.5], [10.5, 50.5]]
    out = Augmentation([A.Affine(translate_px={"x": 40, "y": 0}, p=1)])(sample_with(points))
    np.testing.assert_allclose(out.fixations, [[45.5, 5.5], [50.5, 50.5]], atol=1e-4)
    out = Augmentation([A.Affine(translate_px={"x": -40, "y": 0}, p=1)])(sample_with(points))
    np.testing.assert_allclose(out.fixations, [[30.5, 30.5]] * 3, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("seed", range(4))
def test_points_go_where_density_and_image_go_in_training(dtype, seed):
    """Image, density and points show the same blob: after any zoom, shift, rotation and flip they still do."""
    point = (36.3, 27.9)
    rows, columns = np.arange(HEIGHT)[:, None] + 0.5, np.arange(WIDTH)[None] + 0.5
    blob = 255 * np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * 3.0**2))
    image = np.repeat(np.rint(blob)[..., None], 3, 2).astype(np.uint8)
    sample = replace(sample_with([point, point], blob.astype(dtype)), image=image)
    torch.manual_seed(seed)
    out = TrainingAugmentation(flip=0.5, affine=1.0, photometric=0.0, zoom=1.3, rotate=20.0)(sample)
    assert out.density.dtype == dtype
    for values in (
        out.density.astype(float),
        np.where(out.image[..., 0] == 128, 0, out.image[..., 0])[:, :].astype(float),
    ):
        near = np.hypot(columns - out.fixations[0, 0], rows - out.fixations[0, 1]) < 12
        centre = [float((values * near * c).sum() / (values * near).sum()) for c in (columns, rows)]
        np.testing.assert_allclose(out.fixations, [centre] * 2, rtol=0, atol=0.15)


def test_the_border_is_grey_and_its_density_zero():
    torch.manual_seed(0)
    sample = replace(
        sample_with([], np.full((HEIGHT, WIDTH), 9, np.uint8)), image=np.full((HEIGHT, WIDTH, 3), 200, np.uint8)
    )
    out = TrainingAugmentation(flip=0.0, affine=1.0, photometric=0.0, zoom=1.0, rotate=40.0)(sample)
    assert out.image[0, 0].tolist() == [128] * 3
    assert out.density[0, 0] == 0
    assert out.image[HEIGHT // 2, WIDTH // 2].tolist() == [200] * 3
    assert out.density[HEIGHT // 2, WIDTH // 2] == 9


def test_the_ranges_of_zoom_rotation_and_shift():
    """Where the corners of a rectangle go tells the motion; its extremes over many draws are the options."""
    augment = TrainingAugmentation(flip=0.0, affine=1.0, photometric=0.0, zoom=1.2, rotate=10.0)
    torch.manual_seed(0)
    found = []
    for _ in range(300):
        (ax, ay), (bx, by) = augment(sample_with([[38.0, 30.0], [42.0, 30.0]])).fixations
        angle = np.degrees(np.arctan2(by - ay, bx - ax))
        found.append([np.hypot(bx - ax, by - ay) / 4, angle, (ax + bx) / 2, (ay + by) / 2])
    extremes = np.array([np.min(found, 0), np.max(found, 0)])
    assert (np.abs(extremes - [[1, -10, 32, 24], [1.2, 10, 48, 36]]) < [0.01, 0.3, 0.4, 0.4]).all()


def test_colours_change_as_their_definitions_say(monkeypatch):
    """Each change alone: factors on all, on the distance to the mean grey, on the distance to a pixel's own grey."""
    image = np.random.default_rng(0).integers(60, 190, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    grey = image.astype(float) @ [0.299, 0.587, 0.114]
    augment = TrainingAugmentation(**OFF | {"photometric": 1.0})
    expected = [
        image * 1.2,
        grey.mean() + (image - grey.mean()) * 1.2,
        grey[..., None] + (image - grey[..., None]) * 1.2,
    ]
    for k, values in enumerate(expected):
        draws = torch.full((11,), 0.5, dtype=torch.float64)
        draws[7 + k] = 1.0
        monkeypatch.setattr(torch, "rand", lambda *a, draws=draws, **b: draws)
        out = augment(replace(sample_with([]), image=image)).image
        assert np.abs(out - values.clip(0, 255)).max() <= 1  # OpenCV calculates in fixed point
    monkeypatch.setattr(torch, "rand", lambda *a, **b: torch.tensor([0.5] * 10 + [1.0], dtype=torch.float64))
    turned = augment(replace(sample_with([]), image=image)).image.astype(float)
    assert np.abs(turned @ [0.299, 0.587, 0.114] - grey).max() < 1
    assert np.abs(turned - image).max() > 3


def test_what_is_not_there_stays_away_and_the_rest_is_kept():
    sample = replace(sample_with([]), fixations=None)
    out = TrainingAugmentation(**OFF | {"flip": 1.0})(sample)
    assert out.fixations is None
    assert out.density is None
    assert (out.id, out.index) == ("a", 4)
    assert TrainingAugmentation(**OFF | {"flip": 1.0})(sample_with([])).fixations.shape == (0, 2)


def test_types_sizes_and_ranges_are_kept():
    density = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    augment = TrainingAugmentation(flip=0.5, affine=1.0, photometric=1.0, zoom=1.3, rotate=5.0)
    sample = sample_with([[3.2, 4.9]] * 5, density)
    before = sample.image.copy(), density.copy(), sample.fixations.copy()
    for _ in range(10):
        out = augment(sample)
        assert (out.image.shape, out.image.dtype) == ((HEIGHT, WIDTH, 3), np.uint8)
        assert (out.density.shape, out.density.dtype) == ((HEIGHT, WIDTH), np.uint8)
        assert out.fixations.dtype == np.float64
    for old, new in zip(before, (sample.image, density, sample.fixations), strict=True):
        np.testing.assert_array_equal(old, new)


class Constant(Dataset):
    def __init__(self):
        self.augment = TrainingAugmentation(flip=0.5, affine=1.0, photometric=0.0, zoom=1.3, rotate=5.0)

    def __len__(self):
        return 8

    def __getitem__(self, index):
        return self.augment(sample_with([[40.3, 30.7]])).fixations[0].tolist()


def draws(workers: int, seed: int, epochs: int = 2) -> list:
    torch.manual_seed(seed)
    loader = DataLoader(
        Constant(), batch_size=None, num_workers=workers, collate_fn=lambda x: x, persistent_workers=workers > 0
    )
    return [tuple(x) for _ in range(epochs) for x in loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_images_workers_and_epochs_differ_and_a_seed_repeats_them(workers):
    first = draws(workers, seed=1)
    assert len(set(first)) == 16
    assert draws(workers, seed=1) == first
    assert set(draws(workers, seed=2)).isdisjoint(first)


@pytest.mark.parametrize("wrong", [{"flip": 1.5}, {"affine": -0.1}, {"zoom": 0.5}, {"rotate": -1.0}], ids=str)
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TrainingAugmentation(**OFF | wrong)
