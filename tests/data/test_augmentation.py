"""Augmentation moves image, density and points together, and is repeated exactly by its seed."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import albumentations as A
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf
from torch.utils.data import DataLoader, Dataset

from explainsal.app.cli import conf_dir
from explainsal.data.augmentation import Augmentation
from explainsal.data.sample import SaliencySample

HEIGHT, WIDTH = 60, 80


def sample_with(points: list, density: np.ndarray | None = None) -> SaliencySample:
    image = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return SaliencySample("a", 4, image, np.array(points, dtype=np.float64).reshape(-1, 2), density)


@settings(deadline=None, max_examples=50)
@given(st.floats(0.01, WIDTH - 0.01), st.floats(0.01, HEIGHT - 0.01))  # the mirror image of x = 0 is outside
def test_a_flip_is_width_minus_x(x, y):
    sample = sample_with([[x, y]], np.zeros((HEIGHT, WIDTH), np.float32))
    sample.density[int(y), int(x)] = 1
    flipped = Augmentation({"flip": A.HorizontalFlip(p=1)})(sample)
    np.testing.assert_array_equal(flipped.image, sample.image[:, ::-1])
    np.testing.assert_array_equal(flipped.density, sample.density[:, ::-1])
    np.testing.assert_allclose(flipped.fixations, [[WIDTH - x, y]], rtol=0, atol=1e-5)  # albumentations keeps float32


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
    out = Augmentation(dict(enumerate(steps)))(sample_with([point], blob))
    rows, columns = np.arange(out.density.shape[0])[:, None] + 0.5, np.arange(out.density.shape[1])[None] + 0.5
    centre = [float((out.density * c).sum() / out.density.sum()) for c in (columns, rows)]
    np.testing.assert_allclose(out.fixations, [centre], rtol=0, atol=0.1)  # OpenCV interpolates in 1/32 px steps


def test_points_that_leave_are_dropped_and_repeated_points_stay_repeated():
    points = [[70.5, 30.5], [5.5, 5.5], [70.5, 30.5], [70.5, 30.5], [10.5, 50.5]]
    out = Augmentation({"move": A.Affine(translate_px={"x": 40, "y": 0}, p=1)})(sample_with(points))
    np.testing.assert_allclose(out.fixations, [[45.5, 5.5], [50.5, 50.5]], atol=1e-4)
    out = Augmentation({"move": A.Affine(translate_px={"x": -40, "y": 0}, p=1)})(sample_with(points))
    np.testing.assert_allclose(out.fixations, [[30.5, 30.5]] * 3, atol=1e-4)


@cache
def recipe(name):
    """A choice of ``conf/data/augmentation``."""
    return instantiate(OmegaConf.load(Path(conf_dir()) / "data" / "augmentation" / f"{name}.yaml"))


def blob_sample(point, dtype):
    rows, columns = np.arange(HEIGHT)[:, None] + 0.5, np.arange(WIDTH)[None] + 0.5
    blob = 255 * np.exp(-((columns - point[0]) ** 2 + (rows - point[1]) ** 2) / (2 * 3.0**2))
    image = np.repeat(np.rint(blob)[..., None], 3, 2).astype(np.uint8)
    return replace(sample_with([point, point], blob.astype(dtype)), image=image)


def assert_together(image, density, points):
    """Image, density and points show the same blob."""
    rows, columns = np.arange(HEIGHT)[:, None] + 0.5, np.arange(WIDTH)[None] + 0.5
    near = np.hypot(columns - points[0, 0], rows - points[0, 1]) < 10
    grey = image.astype(float)[..., 0]
    for values in (density.astype(float), np.where(near, grey - grey[near].min(), 0)):
        centre = [float((values * near * c).sum() / (values * near).sum()) for c in (columns, rows)]
        np.testing.assert_allclose(points, [centre] * 2, rtol=0, atol=0.2)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("name", ["flip", "modest", "strong"])
@pytest.mark.parametrize("seed", range(4))
def test_points_go_where_density_and_image_go_in_training(dtype, name, seed):
    torch.manual_seed(seed)
    sample = blob_sample((36.3, 27.9), dtype)
    before = sample.image.copy(), sample.density.copy(), sample.fixations.copy()
    out = recipe(name)(sample)
    assert (out.density.dtype, out.image.dtype, out.fixations.dtype) == (dtype, np.uint8, np.float64)
    assert_together(out.image, out.density, out.fixations)
    for old, new in zip(before, (sample.image, sample.density, sample.fixations), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_ranges_of_the_recipes():
    """Where two points go tells the motion; its extremes over many draws are the options."""
    torch.manual_seed(0)
    found = []
    for _ in range(300):
        (ax, ay), (bx, by) = recipe("modest")(sample_with([[38.0, 30.0], [42.0, 30.0]])).fixations
        turned = np.degrees(np.arctan2(by - ay, bx - ax))
        angle = (turned + 90) % 180 - 90  # a mirror image turns by 180
        found.append([np.hypot(bx - ax, by - ay) / 4, angle, (ax + bx) / 2, (ay + by) / 2])
    extremes = np.array([np.min(found, 0), np.max(found, 0)])
    assert (np.abs(extremes - [[1, -3, 32, 24], [1.2, 3, 48, 36]]) < [0.02, 0.3, 1.1, 1.1]).all(), extremes


def test_what_is_not_there_stays_away_and_the_rest_is_kept():
    sample = replace(sample_with([]), fixations=None)
    mirror = Augmentation({"flip": A.HorizontalFlip(p=1)})
    out = mirror(sample)
    assert out.fixations is None
    assert out.density is None
    assert (out.id, out.index) == ("a", 4)
    assert mirror(sample_with([])).fixations.shape == (0, 2)


class Constant(Dataset):
    def __init__(self):
        self.augment = Augmentation(
            {"affine": A.Affine(scale=(1, 1.3), rotate=(-5, 5), p=1), "flip": A.HorizontalFlip(p=0.5)}
        )

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
