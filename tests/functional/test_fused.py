"""The Triton kernels against the plain path: on a GPU, or in Triton's interpreter, without a compiler.

What the interpreter does not show is whether and how fast they run on a GPU: benchmarks/gpu.sh does both.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from explainsal.errors import UserError
from explainsal.explanation import PRESETS
from explainsal.functional import fused
from explainsal.functional.coefficients import matching_pursuit
from explainsal.functional.reconstruction import centered_scale, pairwise_mae, standardize

pytest.importorskip("triton")
ON_GPU = torch.cuda.is_available()
DEVICE = "cuda" if ON_GPU else "cpu"
KINDS = {torch.float64: 1e-12, torch.float32: 2e-5}
pytestmark = [pytest.mark.filterwarnings("ignore:.*encountered in divide:RuntimeWarning")]  # of the interpreter
if ON_GPU:
    pytestmark.append(pytest.mark.gpu)


def noise(*shape, dtype):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(sum(shape))).to(DEVICE)


def test_they_are_off_unless_wanted_and_want_triton(monkeypatch):
    on_cuda = SimpleNamespace(device=torch.device("cuda"), dtype=torch.float32, stride=lambda axis: 1)
    assert not fused.serves(on_cuda)
    with fused.fused_kernels():
        assert fused.serves(on_cuda)
        assert not fused.serves(torch.ones(2, 3, device="meta"))
    assert not fused.serves(on_cuda)
    monkeypatch.setattr(fused, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install triton"), fused.fused_kernels():
        pass


@pytest.mark.parametrize("dtype", list(KINDS))
@pytest.mark.parametrize("shape", [(7,), (3, 5, 37), (2, 3, 4, 9), (1, 2, 5000)])
def test_rows_are_standardised_as_by_the_plain_path(shape, dtype):
    values = noise(*shape, dtype=dtype) + 3
    if len(shape) > 1:
        values[..., 0, :] = 0.1  # a dead row whose mean is not exact
        values[..., -1, 2] = torch.nan
    expected = centered_scale(values)
    found = fused.centered_scale(values)
    assert_close(found, expected, rtol=KINDS[dtype], atol=KINDS[dtype], equal_nan=True)
    assert torch.equal(found[2] == 0, expected[2] == 0)


def test_rows_of_a_part_of_an_array_are_standardised_in_place():
    values = noise(2, 6, 21, dtype=torch.float64)
    expected = values.clone()
    expected[:, 1:4] = centered_scale(expected[:, 1:4])[0]
    some = values[:, 1:4]
    wide = torch.cat([some, some + 1], dim=-1)[..., :21]  # its rows lie further apart than those of the result
    assert_close(fused.centered_scale(wide)[0], expected[:, 1:4], rtol=1e-12, atol=1e-12)
    assert fused.centered_scale(some, out=some)[0] is some
    assert_close(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", list(KINDS))
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize(("images", "rows", "columns", "length"), [(1, 1, 1, 1), (2, 5, 70, 13), (1, 17, 3, 8)])
def test_distances_are_those_of_the_plain_path(images, rows, columns, length, signed, dtype):
    first = noise(images, rows, length, dtype=dtype)
    second = noise(images, columns, length, dtype=dtype)
    negative = noise(images, rows, columns, dtype=dtype) < 0 if signed else None
    expected = pairwise_mae(first, second, negative, length // 2)
    found = fused.pairwise_mae(first, second, negative, length // 2)
    assert_close(found, expected, rtol=KINDS[dtype], atol=KINDS[dtype])


@pytest.mark.parametrize(("images", "rows", "candidates", "terms"), [(1, 3, 5, 5), (2, 4, 40, 6)])
def test_the_pursuit_takes_the_candidates_of_the_plain_path(images, rows, candidates, terms, monkeypatch):
    maps = standardize(noise(images, candidates, 60, dtype=torch.float64))
    maps[:, 1] = maps[:, 0]  # equal to another: never both
    maps[:, 2] = 0  # unusable
    maps[-1, 3] = torch.nan
    wanted = maps[:, :rows].nan_to_num(0) + 0.5 * standardize(noise(images, rows, 60, dtype=torch.float64))
    wanted[:, 1] = 0  # a dead row takes none
    gram, target = maps @ maps.mT / 60, standardize(wanted) @ maps.mT / 60
    expected = matching_pursuit(gram, target, terms)
    assert (expected.index < 0).any()
    assert (expected.index >= 0).any()
    if not ON_GPU:
        monkeypatch.setattr(fused, "serves", lambda *tensors: True)
    with fused.fused_kernels(ON_GPU):
        found = matching_pursuit(gram, target, terms)
    assert torch.equal(found.index, expected.index)
    assert_close(found.weights, expected.weights, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("preset", list(PRESETS))
def test_a_layer_is_rebuilt_as_by_the_plain_path(preset, monkeypatch):
    from tests.explanation.test_exactness import noise as maps
    from tests.explanation.test_exactness import rebuilt

    activations, sources = maps(3, (9, 12), 0).to(DEVICE), maps(2, (9, 12), 1).to(DEVICE)
    expected = rebuilt(preset, activations, sources, 10**9).maps
    used = []
    if not ON_GPU:
        monkeypatch.setattr(fused, "serves", lambda *tensors: used.append(1) or True)
    with fused.fused_kernels(ON_GPU):
        found = rebuilt(preset, activations, sources, 10**9).maps
    assert used or ON_GPU
    assert_close(found, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())
