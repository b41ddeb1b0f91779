"""Published networks in adverse, real Lightning loops: nothing in them changes."""

from __future__ import annotations

import warnings

import lightning
import pytest
import torch
from tests.models.rule import unisal_state
from tests.modules.test_saliency import loader, samples, trainer
from torch import nn

from explainsal.functional.losses import kl_div
from explainsal.models import load_network
from explainsal.models.unisal_parts import DomainBatchNorm
from explainsal.modules.frozen import FrozenModule
from explainsal.modules.saliency import SaliencyModule


class Meddler(lightning.Callback):
    """Callback that sets the network, and parts of it, to training mode wherever Lightning allows it."""

    def __init__(self) -> None:
        self.calls = 0

    def meddle(self, trainer, module, *args) -> None:
        self.calls += 1
        module.train()
        module.model.train()
        for part in module.model.net.modules():
            part.training = True

    on_fit_start = on_train_start = on_train_epoch_start = on_validation_start = on_train_batch_start = meddle
    on_validation_batch_start = on_validation_end = on_train_epoch_end = on_sanity_check_start = meddle


@pytest.fixture
def unisal():
    model = load_network("unisal", input_size=(64, 96))
    model.net.load_state_dict(unisal_state(model.net.state_dict()))
    return model.train()


def state_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


@pytest.mark.parametrize("how", ["fit", "validate"])
def test_frozen_unisal_stays_as_it_is_in_every_loop(tmp_path, unisal, how):
    module, meddler = FrozenModule(unisal, kl_div), Meddler()
    before, images = state_of(unisal), torch.rand(1, 3, 60, 80)
    expected = unisal(images)
    lightning_trainer = trainer(tmp_path, callbacks=[meddler], max_epochs=2, enable_checkpointing=False)
    if how == "fit":
        lightning_trainer.fit(module, loader(samples()), loader(samples(3)))
        assert {"train/loss", "val/loss", "val/cc"} <= set(lightning_trainer.callback_metrics)
    else:
        lightning_trainer.validate(module, loader(samples(3)), verbose=False)
    assert meddler.calls > 0
    assert all(torch.equal(value, before[name]) for name, value in unisal.state_dict().items())
    assert not any(p.requires_grad or p.grad is not None for p in unisal.parameters())
    module.train()
    assert not any(part.training for part in module.modules())
    assert torch.equal(unisal(images), expected)


def test_the_same_loops_change_a_network_that_is_not_frozen(tmp_path, unisal):
    """The test above can fail: in a normal module, statistics change and dropout is active."""
    module = SaliencyModule(unisal, kl_div, lambda parameters: torch.optim.SGD(parameters, lr=0.0))
    before = state_of(unisal)
    trainer(tmp_path, enable_checkpointing=False).fit(module, loader(samples()))
    changed = {name for name, value in unisal.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.endswith("bn_SALICON.running_mean") for name in changed)
    unisal.train()
    assert not torch.equal(unisal(torch.ones(1, 3, 60, 80)), unisal(torch.ones(1, 3, 60, 80)))


def test_dropout_and_statistics_are_those_of_evaluation_in_the_middle_of_a_step(unisal):
    module = FrozenModule(unisal, kl_div)
    modes = []
    for part in unisal.net.modules():
        if isinstance(part, DomainBatchNorm | nn.Dropout2d):
            part.register_forward_pre_hook(lambda part, args: modes.append(part.training))
    for part in unisal.net.modules():
        part.training = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # logging needs a trainer
        module.batch_loss(next(iter(loader(samples(1)))))
    assert modes
    assert not any(modes)


@pytest.mark.parametrize("frozen", [True, False])
def test_weights_count_as_trained_after_a_training_alone(tmp_path, frozen):
    model = load_network("cmrnet", width=4, input_size=(24, 32)).train()
    module = FrozenModule(model, kl_div) if frozen else SaliencyModule(model, kl_div, torch.optim.SGD)
    fit = trainer(tmp_path)
    fit.fit(module, loader(samples(2)))
    fit.save_checkpoint(tmp_path / "last.ckpt")
    restored = [load_network(tmp_path / "last.ckpt"), load_network("cmrnet", tmp_path / "last.ckpt", width=4)]
    assert [one.description for one in (model, *restored)] == ["untrained weights" if frozen else ""] * 3
