"""Correlations of reconstructions from their terms against those from their pixels."""

import pytest
import torch

from explainsal.functional.covering import correlations, correlations_of_terms
from explainsal.functional.kernels.dispatch import plain_only
from explainsal.functional.reconstruction import combine_rows
from explainsal.functional.weighted import scale_rows

SIZE = (6, 7)


def layer(weighted):
    """Return standardized candidates, targets, terms, and reconstructions of two images; one map has no terms."""
    generator = torch.Generator().manual_seed(5)
    candidates, targets = (
        torch.randn(2, count, SIZE[0] * SIZE[1], generator=generator, dtype=torch.float64) for count in (9, 4)
    )
    pixels = torch.rand(2, 1, candidates.shape[-1], generator=generator, dtype=torch.float64) + 0.1
    pixels = pixels / pixels.mean(-1, keepdim=True) if weighted else None
    index = torch.stack([torch.randperm(9, generator=generator)[:3] for _ in range(8)]).reshape(2, 4, 3)
    weights = torch.randn(index.shape, generator=generator, dtype=torch.float64)
    index[0, 1], weights[0, 1] = -1, 0
    index[1, 2, 2], weights[1, 2, 2] = -1, 0
    forms, cands = (scale_rows(rows, pixels, rooted=True)[0] for rows in (targets, candidates))
    maps = combine_rows(cands, index, weights)
    maps = (maps if pixels is None else maps / pixels.sqrt()) + 3
    return targets.unflatten(-1, SIZE), maps.unflatten(-1, SIZE), pixels, forms, cands, index, weights


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_correlations_from_terms_are_those_from_pixels(weighted, plain):
    target, maps, pixels, forms, candidates, index, weights = layer(weighted)
    length = candidates.shape[-1]
    gram, cross = candidates @ candidates.mT / length, forms @ candidates.mT / length
    with plain_only(plain):
        found = correlations_of_terms(gram, cross, index, weights)
        expected = correlations(target, maps, pixels)
    for mine, other in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-9)


def test_terms_that_cancel_each_other_are_left_to_the_pixels():
    gram = torch.tensor([[[1.0, 1 - 1e-6], [1 - 1e-6, 1.0]]])
    cross, index = torch.tensor([[[0.5, 0.5]]]), torch.tensor([[[0, 1]]])
    assert correlations_of_terms(gram, cross, index, torch.tensor([[[1.0, 1.0]]])) is not None
    assert correlations_of_terms(gram, cross, index, torch.tensor([[[50.0, -50.0]]])) is None
    assert correlations_of_terms(gram.double(), cross.double(), index, torch.tensor([[[50.0, -50.0]]])) is not None
