"""UNISAL's recipe in real, tiny Lightning loops, against the documented facts of the published training."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from tests.models.rule import unisal_state
from tests.modules.test_saliency import loader, samples, trainer
from torch.utils.data import DataLoader

from explainsal.data.sample import SaliencyBatch
from explainsal.errors import UserError
from explainsal.functional.losses import kl_div_nss_cc
from explainsal.models import load_network
from explainsal.modules.unisal import UNISALModule

SGD = partial(torch.optim.SGD, lr=0.04, momentum=0.9, weight_decay=1e-4)
DECAY = partial(torch.optim.lr_scheduler.ExponentialLR, gamma=0.8)


def unisal(**options) -> UNISALModule:
    model = load_network("unisal", input_size=(64, 96))
    model.net.load_state_dict(unisal_state(model.net.state_dict()))
    return UNISALModule(model, kl_div_nss_cc, SGD, DECAY, **options)


def state_of(module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in module.model.net.state_dict().items()}


def changed(module, before) -> set[str]:
    return {name for name, value in module.model.net.state_dict().items() if not torch.equal(value, before[name])}


def in_domain(domain, count=2):
    return [replace(sample, domain=domain) for sample in samples(count)]


def steps(module, folder, batches, **options):
    fit = trainer(folder, enable_checkpointing=False, gradient_clip_val=2.0, **options)
    fit.fit(module, DataLoader([SaliencyBatch.collate(batch) for batch in batches], batch_size=None))
    return fit


def test_two_steps_teach_the_decoder_of_the_domain_and_nothing_else(tmp_path):
    module = unisal()
    before = state_of(module)
    fit = steps(module, tmp_path, [in_domain(None), in_domain(None)])
    assert fit.global_step == 2
    names = changed(module, before)
    assert {"adaptation_salicon.0.weight", "smoothing_salicon.weight", "coarse_gaussians_salicon",
            "post_cnn.inv_res.conv.0.weight", "skip_2x.reduction.0.bias",
            "skip_4x.expansion.1.bn_SALICON.running_var"} <= names  # fmt: skip
    others = ("dhf1k", "hollywood", "ucfsports", "rnn")  # of other domains, and of videos
    assert not [name for name in names if any(other in name.lower() for other in others)]
    assert not [name for name in names if name.startswith("cnn.")]  # frozen, its statistics too


def test_every_batch_teaches_its_own_domain(tmp_path):
    module = unisal()
    before = state_of(module)
    steps(module, tmp_path, [in_domain("Hollywood"), in_domain("UCFSports")])
    names = {name.lower() for name in changed(module, before)}
    assert {"smoothing_hollywood.weight", "coarse_gaussians_ucfsports", "adaptation_hollywood.0.bias"} <= names
    assert "skip_2x.expansion.1.bn_ucfsports.running_mean" in names
    assert not [name for name in names if "dhf1k" in name or "salicon" in name or "rnn" in name]


def test_the_encoder_is_freed_after_its_epochs_at_a_tenth_of_the_rate(tmp_path):
    module = unisal(frozen_epochs=1)
    before = state_of(module)
    fit = steps(module, tmp_path, [in_domain(None)], max_epochs=2)
    names = changed(module, before)
    assert {"cnn.features.0.0.weight", "cnn.features.18.1.weight", "cnn.features.5.conv.3.weight"} <= names
    assert not [name for name in names if name.startswith("cnn.") and "running" in name]
    decoder, encoder = fit.optimizers[0].param_groups
    assert decoder["initial_lr"] == 0.04
    assert encoder["initial_lr"] == pytest.approx(0.004)
    assert (decoder["lr"], encoder["lr"]) == pytest.approx((0.04 * 0.8**2, 0.004 * 0.8**2))
    assert (decoder["weight_decay"], encoder["weight_decay"]) == (1e-4, 1e-5)
    assert len(decoder["params"]) + len(encoder["params"]) == len(list(module.parameters()))


def without_dropout(module: UNISALModule) -> UNISALModule:
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout2d):
            part.p = 0.0
    return module


def test_a_step_is_the_equation_of_stochastic_gradient_descent(tmp_path):
    """Step of the smoothing kernel computed by hand: gradient clipped to norm 2, weight decay, no momentum yet."""
    module, again = without_dropout(unisal(frozen_epochs=0)), without_dropout(unisal(frozen_epochs=0))
    before = state_of(module)["smoothing_salicon.weight"]
    batch = SaliencyBatch.collate(in_domain(None))
    module.train()
    module.batch_loss(batch).backward()
    gradients = {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}
    norm = torch.stack([g.norm() for g in gradients.values()]).norm()
    assert norm > 2  # otherwise the test would not cover clipping
    expected = before - 0.04 * (gradients["model.net.smoothing_salicon.weight"] * 2 / norm + 1e-4 * before)
    steps(again, tmp_path, [in_domain(None)])
    torch.testing.assert_close(state_of(again)["smoothing_salicon.weight"], expected, rtol=1e-4, atol=1e-7)


def test_running_statistics_move_by_a_tenth_for_images_and_a_hundredth_for_videos_and_what_they_share():
    net = unisal().model.net
    momenta = {name: part.momentum for name, part in net.named_modules() if isinstance(part, torch.nn.BatchNorm2d)}
    for name, momentum in momenta.items():
        if not name.startswith("cnn."):
            assert momentum == (0.1 if name.endswith("bn_SALICON") else 0.01), name


def test_the_loss_is_taken_at_the_size_of_the_stimuli_in_the_domain_of_the_batch():
    module = unisal().eval()
    batch = SaliencyBatch.collate(in_domain("DHF1K"))
    with torch.no_grad():
        log_density = module.model.net(module.model.preprocess(batch.images), domain="DHF1K", size=(40, 56))
        fixated = torch.zeros(2, 1, 40, 56, dtype=torch.bool)
        for i, sample in enumerate(in_domain("DHF1K")):
            for x, y in sample.fixations:
                fixated[i, 0, int(y), int(x)] = True
        expected = kl_div_nss_cc(log_density.double(), batch.density.values.double()[:, None], fixated)
        assert module.batch_loss(batch).item() == pytest.approx(expected.item(), abs=1e-5)
        assert module.maps(batch).sum((-2, -1)).flatten().tolist() == pytest.approx([1, 1])


def test_wrong_requests_are_refused(tmp_path):
    with pytest.raises(UserError, match="module=unisal trains model=unisal, not cmrnet"):
        UNISALModule(load_network("cmrnet", width=4, input_size=(24, 32)), kl_div_nss_cc, SGD)
    with pytest.raises(UserError, match="this data set lacks one"):
        trainer(tmp_path, enable_checkpointing=False).fit(unisal(), loader(samples(2, density=False)))
