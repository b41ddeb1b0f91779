"""EMD against an independent solution: integer masses become unit points, matched one to one at the least cost."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

from explainsal.metrics.emd import emd
from explainsal.types import DensityMap


def matched(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean distance of an optimal matching of two equally large sets of unit points."""
    a, b = (np.repeat(np.argwhere(m >= 0), m.ravel(), axis=0).astype(float) for m in (first, second))
    cost = np.linalg.norm(a[:, None] - b[None], axis=2)
    rows, columns = linear_sum_assignment(cost)
    return cost[rows, columns].mean()


@pytest.mark.parametrize("size", [(5, 7), (1, 9), (6, 6)])
def test_equals_the_optimal_matching(size: tuple[int, int]) -> None:
    generator = np.random.default_rng(1)
    pairs = [
        [generator.multinomial(60, generator.dirichlet(np.full(size[0] * size[1], 0.4))) for _ in "ab"] for _ in "cd"
    ]
    first, second = (np.stack([p[k] for p in pairs]).reshape(2, *size) for k in (0, 1))
    actual = emd(torch.from_numpy(first), DensityMap(torch.from_numpy(second)), cell=1)
    assert actual.numpy() == pytest.approx([matched(a, b) for a, b in zip(first, second, strict=True)], rel=1e-9)


def test_cells_symmetry_scale_and_zero() -> None:
    first, second = torch.rand(1, 20, 33), torch.rand(1, 20, 33)
    there, back = emd(first, DensityMap(second), cell=8), emd(7 * second, DensityMap(first), cell=8)
    torch.testing.assert_close(there, back, rtol=1e-6, atol=1e-9)  # float32 maps
    assert emd(first, DensityMap(3 * first), cell=8).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(TypeError, match="DensityMap"):
        emd(first, second)
    with pytest.raises(ValueError, match="cell"):
        emd(first, DensityMap(second), cell=0)
