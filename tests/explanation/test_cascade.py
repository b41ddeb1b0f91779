"""The cascade draws weights anew from the last layer to run backwards, and compares with the trained network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.explanation.nets import Plain
from torch import nn

from explainsal.explanation import Explainer
from explainsal.explanation.cascade import cascade, cascade_table, run_order


class Backwards(nn.Module):
    """Lists its layers the other way round, and one that never runs."""

    def __init__(self):
        super().__init__()
        self.idle = nn.Conv2d(1, 1, 1)
        self.last = nn.Conv2d(4, 1, 3, padding=1)
        self.second = nn.Conv2d(4, 4, 3, padding=1)
        self.first = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, images):
        maps = self.second(torch.relu(self.first(images)))
        return self.last(torch.relu(self.second(maps)))


def test_layers_are_ordered_by_when_they_run_and_no_hook_stays():
    net = Backwards().train()
    assert run_order(net, torch.rand(1, 3, 8, 8)) == ["idle", "first", "second", "last"]
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


def test_weights_are_drawn_anew_from_the_last_layer_to_the_first():
    net = Plain()
    steps = list(cascade(net, ["first", "second", "last"], seed=5))
    assert [(name, fresh) for name, fresh, _ in steps] == [("trained", 0), ("last", 1), ("second", 2), ("first", 3)]
    assert steps[0][2] is net
    old = net.state_dict()
    for _, fresh, copy in steps:
        new = copy.state_dict()
        changed = [not torch.equal(new[f"{n}.weight"], old[f"{n}.weight"]) for n in ("last", "second", "first")]
        assert changed == [place < fresh for place in range(3)]


def test_steps_reach_from_one_layer_to_all():
    order = [f"{i}" for i in range(9)]
    net = nn.Sequential(*(nn.Conv2d(1, 1, 1) for _ in order))
    assert [fresh for _, fresh, _ in cascade(net, order, steps=3)] == [0, 1, 5, 9]
    assert [fresh for _, fresh, _ in cascade(net, order, steps=20)] == list(range(10))


def test_the_table_compares_with_the_trained_network():
    torch.manual_seed(1)
    net = Plain()
    explainer, images = Explainer(net, "sparse", top_k=3), torch.rand(2, 3, 16, 24)
    table = cascade_table(explainer, images, ids=["a", "b"], steps=2, seed=3)
    assert table["image"].tolist() == ["a", "b"] * 3
    assert table["layer"].unique().tolist() == ["trained", "last", "first"]
    trained = table[table["step"] == 0]
    assert trained["maps"].tolist() == pytest.approx([1, 1], abs=1e-6)
    assert trained["explanations"].tolist() == pytest.approx([1, 1], abs=1e-6)
    *_, (_, _, fresh) = cascade(net, ["first", "second", "last"], seed=3)
    before, after = explainer(images), explainer.changed(fresh)(images)
    for i in range(2):
        row = table.iloc[4 + i]
        pairs = {
            "maps": (before.saliency_map, after.saliency_map),
            "explanations": (before.explainable_map, after.explainable_map),
            "cc_to_deep": (after.saliency_map, after.explainable_map),
        }
        for name, (one, other) in pairs.items():
            assert row[name] == pytest.approx(np.corrcoef(one[i].flatten(), other[i].flatten())[0, 1], abs=1e-5)
    assert table[table["step"] == 2]["maps"].abs().max() < 0.999
