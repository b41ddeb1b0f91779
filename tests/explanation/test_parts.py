"""Working on a few maps at a time."""

import torch

from explainsal.explanation.parts import InParts, maps_at_once


def test_as_many_maps_at_once_as_their_arrays_fit_but_at_least_one():
    maps = torch.zeros(2, 6, 10, 10, dtype=torch.float64)  # 1,600 bytes per map of both images
    assert [maps_at_once(maps, budget, arrays=5) for budget in (10, 8_000, 16_000, 10**9)] == [1, 1, 2, 6]


def test_what_is_made_of_all_maps_at_once_is_made_once():
    maps, made = torch.rand(1, 5, 2, 2), []

    def make(some):
        made.append(some.shape[1])
        return 2 * some

    whole = InParts(maps, 5, make)
    assert [torch.equal(one, 2 * maps) for one in whole] == [True]
    assert len(list(whole)) == 1
    assert made == [5]
    parts = InParts(maps, 2, make)
    assert torch.equal(torch.cat(list(parts), dim=1), torch.cat(list(parts), dim=1))
    assert made == [5, 2, 2, 1, 2, 2, 1]
