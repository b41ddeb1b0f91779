"""Candidates that several layers have are made once and held for as long as another layer asks for them."""

import torch
from torch import nn

from explainsal.explanation import Explainer, candidates
from explainsal.explanation.views import Views


class Branches(nn.Module):
    """Two layers with the same parent, and one that adds them."""

    def __init__(self):
        super().__init__()
        self.stem, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1)
        self.one, self.two = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, images):
        x = self.stem(images).tanh()
        return self.last(self.one(x) + self.two(x))


def test_layers_with_the_same_parent_share_its_candidates(monkeypatch):
    torch.manual_seed(0)
    explainer, images = Explainer(Branches()), torch.rand(1, 3, 24, 32)
    explainer(images)
    made, make = [], candidates.bank_responses
    monkeypatch.setattr(
        candidates, "bank_responses", lambda bank, maps, *rest: made.append(len(maps)) or make(bank, maps, *rest)
    )
    shared = explainer(images)
    parents = [layer.parents for layer in shared.layers]
    assert parents.count(("stem",)) == 2
    apart = len(made) + 1
    monkeypatch.setattr(Views, "release", lambda self, keys, limit: self.forget())
    made.clear()
    alone = explainer(images)
    assert len(made) == apart
    torch.testing.assert_close(shared.explainable_map, alone.explainable_map, rtol=1e-4, atol=1e-5)


def fill(value):
    return lambda maps: maps.fill_(value)


def test_views_are_held_up_to_a_number_of_bytes_and_their_memory_serves_again():
    views, like = Views(), torch.zeros(1)
    one = views.of("one", like, (1, 2, 5, 5), fill(1.0))
    two = views.of("two", like, (1, 3, 5, 5), fill(2.0))
    assert views.of("one", like, (1, 2, 5, 5), fill(9.0)) is one
    assert views.nbytes == 4 * (50 + 75)
    torch.testing.assert_close(one.products(two), torch.full((1, 2, 3), 2.0))
    assert one.products(two) is one.products(two)
    views.release([], limit=4 * 60)
    assert views.nbytes == 4 * 50
    three = views.of("three", like, (1, 2, 5, 5), fill(3.0))
    assert three.maps.data_ptr() == two.maps.data_ptr()
    large = views.of("large", like, (1, 40, 5, 5), fill(4.0))
    assert large.maps.data_ptr() not in {one.maps.data_ptr(), two.maps.data_ptr()}
    assert (one.maps == 1).all()
