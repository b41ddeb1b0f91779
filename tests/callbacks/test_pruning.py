"""Terms are dropped by a constant factor per step, in the first part of a training."""

from __future__ import annotations

import pytest
import torch
from lightning import LightningModule, Trainer
from torch import nn

from explainsal.callbacks.pruning import Pruning
from explainsal.errors import UserError


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight, self.terms, self.seen = nn.Parameter(torch.zeros(1)), 1000, []

    def prune(self, terms):
        self.terms = min(self.terms, terms)
        self.seen.append(self.terms)


class Module(LightningModule):
    def __init__(self, net):
        super().__init__()
        self.model = net

    def training_step(self, batch, batch_idx):
        return self.model.weight.sum()

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(net, pruning, epochs=2, **options):
    trainer = Trainer(
        max_epochs=epochs, callbacks=[pruning], logger=False, enable_checkpointing=False, accelerator="cpu",
        enable_progress_bar=False, enable_model_summary=False, **options,
    )  # fmt: skip
    trainer.fit(Module(net), torch.utils.data.DataLoader(torch.zeros(10, 1)))


def test_a_training_ends_with_the_wanted_terms_at_the_given_share():
    net = Net()
    fit(net, Pruning(terms=10, until=0.5))
    assert net.seen[0] == 1000
    assert net.seen[9] > 10
    assert net.seen[10:] == [10] * 10
    steps = torch.tensor(net.seen[:11]).log().diff()
    assert steps.std() < 0.05  # a constant factor, up to rounding


def test_a_resumed_training_continues_with_the_first_number_of_terms():
    first = Pruning(terms=10)
    first.most = 1000
    second, net = Pruning(terms=10), Net()
    second.load_state_dict(first.state_dict())
    net.terms = 40  # what the checkpoint holds
    fit(net, second)
    assert second.most == 1000


def test_a_network_without_terms_is_refused():
    with pytest.raises(UserError, match="model=graph"):
        fit(nn.Linear(1, 1), Pruning())


@pytest.mark.parametrize("options", [{"terms": 0}, {"until": 0}, {"until": 1.1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(UserError, match="callbacks.pruning"):
        Pruning(**options)
