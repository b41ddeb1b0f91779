"""Center bias and chance: the interface of classical models, and the density against SciPy and point sums."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from explainsal.classical.center_bias import GRID, CenterBias
from explainsal.classical.chance import Chance
from explainsal.functional.metrics import auc, information_gain
from explainsal.types import FixationBatch


def cloud(seed: int, count: int, size: tuple[int, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    points = 0.5 + 0.15 * torch.randn(count, 2, dtype=torch.float64, generator=generator)
    return points.clamp(0, 0.999) * torch.tensor([size[1], size[0]])


@pytest.mark.parametrize("model", [Chance(), CenterBias.fit([cloud(0, 50, (30, 40))], [(30, 40)])])
@pytest.mark.parametrize("size", [(30, 40), (41, 7)])
def test_contract(model: torch.nn.Module, size: tuple[int, int]) -> None:
    images = torch.rand(3, 3, *size)
    maps = model(images)
    assert maps.shape == (3, 1, *size)
    assert maps.dtype == torch.float32
    assert maps.min() >= 0
    assert maps.max() == 1
    assert torch.equal(maps[0], maps[2])
    assert not list(model.parameters())


def test_density_is_scipys_gaussian_of_the_counts() -> None:
    points, sizes = [cloud(1, 300, (60, 80)), cloud(2, 200, (100, 50))], [(60, 80), (100, 50)]
    bias = CenterBias.fit(points, sizes, bandwidth=0.05, uniform=0.02)
    counts = np.zeros((GRID, GRID))
    for p, (height, width) in zip(points, sizes, strict=True):
        for x, y in p.tolist():
            counts[int(y / height * GRID), int(x / width * GRID)] += 1
    blurred = gaussian_filter(counts, 0.05 * GRID, mode="reflect", truncate=26 / (0.05 * GRID))
    expected = 0.98 * blurred / blurred.sum() + 0.02 / GRID**2
    np.testing.assert_allclose(bias.grid.numpy(), expected, rtol=1e-10)


@pytest.mark.parametrize("size", [(48, 64), (300, 37), (GRID, GRID)])
def test_density_sums_to_one_at_any_size(size: tuple[int, int]) -> None:
    density = CenterBias.fit([cloud(3, 40, (60, 80))], [(60, 80)]).density(size)
    assert density.shape == size
    assert density.sum().item() == pytest.approx(1, abs=1e-12)
    assert density.min() > 0


def test_it_predicts_fixations_of_other_images_better_than_chance() -> None:
    size = (60, 80)
    bias = CenterBias.fit([cloud(i, 100, size) for i in range(5)], [size] * 5)
    test = FixationBatch.from_points([cloud(9, 100, size)])
    density = bias.density(size)[None]
    assert auc(density, test).item() > 0.8
    assert information_gain(density, test).item() > 1
    # even the true density, the Gaussian from which the points are drawn, gains only slightly more
    y, x = torch.meshgrid(torch.arange(60) + 0.5, torch.arange(80) + 0.5, indexing="ij")
    truth = torch.exp(-((x / 80 - 0.5) ** 2 + (y / 60 - 0.5) ** 2) / (2 * 0.15**2))[None]
    assert abs(information_gain(truth, test, density).item()) < 0.15


def test_a_flip_of_the_points_flips_the_density() -> None:
    size = (60, 80)
    points = cloud(4, 50, size)
    flipped = points * torch.tensor([-1, 1]) + torch.tensor([80 - 1e-9, 0])
    straight, mirrored = (CenterBias.fit([p], [size]).density(size) for p in (points, flipped))
    torch.testing.assert_close(mirrored.flip(1), straight, rtol=1e-9, atol=1e-12)


def test_weights_travel_in_the_state_dict() -> None:
    bias = CenterBias.fit([cloud(5, 50, (60, 80))], [(60, 80)])
    other = CenterBias(torch.zeros(GRID, GRID))
    other.load_state_dict(bias.state_dict())
    assert torch.equal(other.density((9, 9)), bias.density((9, 9)))


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="at least one fixation"):
        CenterBias.fit([torch.zeros(0, 2)], [(4, 4)])
    with pytest.raises(ValueError, match="outside their image"):
        CenterBias.fit([torch.tensor([[4.0, 1.0]])], [(4, 4)])
    with pytest.raises(ValueError, match="bandwidth"):
        CenterBias.fit([torch.ones(1, 2)], [(4, 4)], bandwidth=0)
    with pytest.raises(ValueError, match="2 sizes"):
        CenterBias.fit([torch.ones(1, 2)], [(4, 4), (4, 4)])
