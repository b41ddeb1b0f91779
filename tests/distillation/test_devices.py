"""A fit to a network on another device: no part of it stays on the CPU by mistake, and the results are equal."""

from contextlib import nullcontext

import pytest
import torch
from tests.distillation.pretended import DEVICE, Elsewhere, pretended_device
from tests.distillation.small import fitted, samples
from tests.explanation.nets import Plain
from torch.testing import assert_close

from explainsal.distillation import RefineOptions, attribute, load_standalone, refine, save_standalone
from explainsal.distillation.quality import stage_quality


def test_the_pretended_device_refuses_what_a_gpu_would():
    with pretended_device():
        there = torch.ones(3, device=DEVICE)
        assert isinstance(there, Elsewhere)
        assert (2 * there + torch.tensor(1.0)).cpu().tolist() == [3, 3, 3]
        assert there[torch.tensor([0, 1])].device == DEVICE
        with pytest.raises(RuntimeError, match="tensors on cpu and lazy"):
            there + torch.ones(3)
        with pytest.raises(RuntimeError, match="tensors on cpu and lazy"):
            torch.ones(3)[there.long()]


@pytest.mark.parametrize("stored", [False, True])
def test_a_fit_elsewhere_gives_the_same_maps(tmp_path, monkeypatch, stored):
    monkeypatch.setattr(torch, "autocast", lambda device, enabled: nullcontext())  # this device type has none
    images, deep = (torch.cat([pair[i] for pair in samples()()]) for i in range(2))
    options = RefineOptions(epochs=2, batch_size=3)
    torch.manual_seed(0)
    here = fitted(Plain())
    save_standalone(here.model, tmp_path / "fit.safetensors", {})
    refine(here.model, images, deep[:, None], None, options)
    torch.manual_seed(0)
    net = Plain()
    with pretended_device():
        there = fitted(net.to(DEVICE), store=tmp_path / "maps" if stored else None)
        assert there.device == DEVICE
        resumed, _ = load_standalone(save_standalone(there.model, tmp_path / "there.safetensors"))
        there.resume(resumed, there.explained)
        refine(there.model, images, deep[:, None], None, options, store=tmp_path / "seen" if stored else None)
        parts = attribute(there.model, images.to(DEVICE))
        assert {part.device for part in parts.values()} == {DEVICE}
        quality = stage_quality(there, samples()(), list("abcdef"))
        maps = there.model(images.to(DEVICE)).cpu()
    assert_close(maps, here.model(images), rtol=1e-4, atol=1e-5)
    assert quality["correlation"].notna().all()
