"""The gold standard and the leave-one-out center bias against SciPy without the left-out fixations."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from explainsal.classical.center_bias import CenterBias, LeaveOneOutCenterBias
from explainsal.classical.gold_standard import GoldStandard

SIZE = (40, 60)


def cloud(count: int) -> torch.Tensor:
    return torch.rand(count, 2, dtype=torch.float64) * torch.tensor([SIZE[1], SIZE[0]])


def test_each_observer_is_predicted_by_the_blurred_fixations_of_the_others() -> None:
    points, who = cloud(12), torch.tensor([2, 0, 0, 5, 5, 5, 2, 0, 2, 5, 0, 2])
    gold = GoldStandard([cloud(0), points], [who[:0], who], [SIZE, SIZE], sigma=3.0, uniform=0.05)
    densities, fixations = gold.of_image(1)
    assert fixations.per_image().tolist() == [4, 4, 4]
    for k, person in enumerate((0, 2, 5)):
        counts = np.zeros(SIZE)
        for (x, y), p in zip(points.tolist(), who.tolist(), strict=True):
            counts[int(y), int(x)] += p != person
        blurred = gaussian_filter(counts, 3.0, mode="reflect", truncate=4.0)
        expected = 0.95 * blurred / blurred.sum() + 0.05 / counts.size
        np.testing.assert_allclose(densities[k].numpy(), expected, rtol=1e-9, atol=1e-15)
    assert len(gold.of_image(0)[0]) == 0


def test_one_observer_has_no_gold_standard() -> None:
    with pytest.raises(ValueError, match="two observers"):
        GoldStandard([cloud(5)], [torch.zeros(5, dtype=torch.int64)], [SIZE], sigma=3.0)


def test_leave_one_out_is_the_fit_to_all_others() -> None:
    points, sizes = [cloud(7), cloud(0), cloud(4)], [SIZE] * 3
    densities = LeaveOneOutCenterBias(points, sizes).density(SIZE, torch.tensor([2, 0, 1]))
    for k, left_out in enumerate((2, 0, 1)):
        others = [p for i, p in enumerate(points) if i != left_out]
        expected = CenterBias.fit(others, sizes[:2]).density(SIZE)
        torch.testing.assert_close(densities[k], expected, rtol=1e-10, atol=1e-15)
    with pytest.raises(ValueError, match="two images"):
        LeaveOneOutCenterBias([cloud(3), cloud(0)], sizes[:2])
