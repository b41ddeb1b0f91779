"""MATLAB's image operations against loops in NumPy; the goldens test them against Octave."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.reference import classical as oracle

from explainsal.classical import induction, matlab
from explainsal.classical.icl import ICL, opponent_cosines

GENERATOR = np.random.default_rng(0)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("rows", "columns"), [(5, 30), (24, 7), (12, 19), (1, 40)])
def test_imresize(kernel: str, rows: int, columns: int) -> None:
    image = GENERATOR.random((12, 19))
    bicubic = kernel == "bicubic"
    tall = np.stack([oracle.imresize_axis(column, rows, rows / 12, bicubic) for column in image.T], axis=1)
    expected = np.stack([oracle.imresize_axis(row, columns, columns / 19, bicubic) for row in tall])
    actual = matlab.imresize(torch.from_numpy(image)[None], (rows, columns), kernel)[0]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12, atol=1e-13)


def test_imresize_by_a_scale_rounds_the_size_up_and_keeps_the_scale() -> None:
    values = GENERATOR.random(19)
    actual = matlab.imresize(torch.from_numpy(values)[None], 0.3)
    assert actual.shape == (1, 6)
    np.testing.assert_allclose(actual[0].numpy(), oracle.imresize_axis(values, 6, 0.3, True), rtol=1e-12)


@pytest.mark.parametrize(
    ("padding", "mode"),
    [("zero", "constant"), ("replicate", "edge"), ("symmetric", "symmetric"), ("reflect", "reflect")],
)
@pytest.mark.parametrize("shape", [(3, 5), (4, 2), (6, 6), (1, 9)])
def test_filters(padding: str, mode: str, shape: tuple[int, int]) -> None:
    image, kernel = GENERATOR.random((10, 13)), GENERATOR.random(shape)
    expected = oracle.imfilter(image, kernel, mode)
    maps = torch.from_numpy(image)[None]
    actual = matlab.imfilter(maps, torch.from_numpy(kernel), padding)[0]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)
    rows, columns = torch.from_numpy(kernel[:, 0]), torch.from_numpy(kernel[0])
    expected = oracle.imfilter(image, np.outer(kernel[:, 0], kernel[0]), mode)
    np.testing.assert_allclose(matlab.separable(maps, rows, columns, padding)[0].numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("padding", ["zero", "replicate", "symmetric", "reflect"])
@pytest.mark.parametrize("dim", [-2, -1])
def test_long_axes_are_filtered_like_short_ones(monkeypatch: pytest.MonkeyPatch, padding: str, dim: int) -> None:
    maps, kernel = torch.from_numpy(GENERATOR.random((2, 20, 30))), torch.from_numpy(GENERATOR.random(8))
    by_matrix = matlab.filter_axis(maps, kernel, dim, padding)
    monkeypatch.setattr(matlab, "_MATRIX", 1)
    torch.testing.assert_close(matlab.filter_axis(maps, kernel, dim, padding), by_matrix, rtol=1e-12, atol=1e-13)


def test_several_kernels_at_once() -> None:
    maps, kernels = torch.from_numpy(GENERATOR.random((2, 3, 8, 9))), torch.from_numpy(GENERATOR.random((4, 3, 3)))
    actual = matlab.imfilter(maps, kernels, "replicate")
    assert actual.shape == (2, 3, 4, 8, 9)
    torch.testing.assert_close(actual[1, 2, 3], matlab.imfilter(maps[1, 2], kernels[3], "replicate"))


def test_padding_may_exceed_the_map() -> None:
    image = torch.tensor([[1.0, 2.0, 3.0]])
    assert matlab.pad(image, (0, 0), (4, 4), "symmetric")[0].tolist() == [3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1]
    assert matlab.pad(image, (0, 0), (4, 4), "reflect")[0].tolist() == [1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3]


def test_rounding_is_away_from_zero() -> None:
    assert matlab.round_half_away(torch.tensor([0.5, 1.5, -0.5, -2.5, 2.4])).tolist() == [1, 2, -1, -3, 2]


@pytest.mark.parametrize("step", [(0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("length", [1, 2, 13, 26, 37])
def test_run_sums(step: tuple[int, int], length: int) -> None:
    image = GENERATOR.random((60, 55))
    actual = induction.run_sum(torch.from_numpy(image), length, step, (10, 12))
    for row, column in ((0, 0), (9, 11), (4, 7)):
        expected = sum(image[row + i * step[0], column + i * step[1]] for i in range(length))
        assert actual[row, column].item() == pytest.approx(expected, rel=1e-12)


def test_icl_energy_with_any_basis() -> None:
    image, basis = GENERATOR.random((11, 13, 3)), GENERATOR.normal(size=(20, 192))
    expected = oracle.icl_patch_energy(image, basis)
    model = ICL(torch.from_numpy(basis))
    actual = model.patch_energy(torch.from_numpy(image).permute(2, 0, 1)[None])[0]
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-12)


def test_the_own_basis_is_orthonormal() -> None:
    basis = opponent_cosines()
    torch.testing.assert_close(basis @ basis.T, torch.eye(192, dtype=torch.float64), rtol=0, atol=1e-12)
    grey = torch.ones(192, dtype=torch.float64)
    assert (basis @ grey).abs().argmax() == 0  # the mean of luminance comes first
    with pytest.raises(ValueError, match="192"):
        ICL(torch.ones(5, 64))
