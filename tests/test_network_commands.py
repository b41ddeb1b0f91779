"""The recipes of the published networks through the real command, on tiny generated data."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import torch
from tests.commands import run

from explainsal.models import load_network

pytestmark = pytest.mark.slow

TINY = (
    "data=synthetic", "data.image_size=[48,64]", "data.num_workers=0", "trainer=cpu", "trainer.max_epochs=1",
    "evaluate=false", "callbacks.progress._target_=lightning.pytorch.callbacks.TQDMProgressBar",
)  # fmt: skip


def test_unisal_is_trained_by_its_recipe_on_two_domains(tmp_path):
    run(tmp_path, "train", "+experiment=unisal", *TINY, "data.batch_size=2", "data.sizes={train:2,val:2,test:1}",
        "model.input_size=[64,96]", "+module.frozen_epochs=0", "+data@domains.Hollywood=synthetic",
        "domains.Hollywood.root=data/frames", "domains.Hollywood.sizes={train:2,val:2,test:1}",
        "domains.Hollywood.image_size=[40,64]", "hydra.run.dir=outputs/run", timeout=600)  # fmt: skip
    folder = tmp_path / "outputs" / "run"
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2
    decoder, encoder = checkpoint["optimizer_states"][0]["param_groups"]
    assert (decoder["initial_lr"], decoder["momentum"], decoder["weight_decay"]) == (0.04, 0.9, 1e-4)
    assert (encoder["initial_lr"], encoder["weight_decay"]) == (pytest.approx(0.004), 1e-5)
    counts = {
        domain: checkpoint["state_dict"][f"model.net.skip_2x.expansion.1.bn_{domain}.num_batches_tracked"].item()
        for domain in ("SALICON", "Hollywood", "DHF1K")
    }
    assert counts == {"SALICON": 1, "Hollywood": 1, "DHF1K": 0}
    assert checkpoint["state_dict"]["model.net.cnn.features.0.1.num_batches_tracked"] == 0
    assert {"val/loss", "val/cc"} <= set(pd.read_csv(folder / "metrics.csv").columns)
    assert json.loads((folder / "environment.json").read_text())["model"]["weights"] == "trained here"
    model = load_network(folder / "checkpoints" / "best.ckpt")
    assert model(torch.rand(1, 3, 48, 64)).sum().item() == pytest.approx(1, abs=1e-4)


def test_a_small_network_learns_from_two_data_sets_and_a_teacher(tmp_path):
    """The recipe of the packaged network on generated scenes: mixed batches, soft targets, averaged weights."""
    teacher = load_network("cmrnet", width=4, input_size=(24, 32))
    torch.save(teacher.net.state_dict(), tmp_path / "teacher.pth")
    scenes = "{train:6,val:2,test:1}"
    run(tmp_path, "train", "+experiment=cmrnet_eyes", *TINY, "trainer.max_epochs=4",
        "trainer.check_val_every_n_epoch=3", "data.batch_size=4", f"data.sizes={scenes}",
        "data@fit.extra_data.mit1003=synthetic", "model.width=4",
        "fit.extra_data.mit1003.split=null", "~fit.extra_data.mit1003.density_sigma",
        "fit.extra_data.mit1003.root=data/others", f"fit.extra_data.mit1003.sizes={scenes}",
        "fit.extra_data.mit1003.image_size=[40,56]", "model@fit.teacher=cmrnet", "fit.teacher.width=4",
        "fit.teacher.input_size=[24,32]", "fit.teacher.weights=teacher.pth", "hydra.run.dir=outputs/run",
        timeout=600)  # fmt: skip
    folder = tmp_path / "outputs" / "run"
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 12  # twelve images, four per step, four epochs; validated after the third
    assert checkpoint["averaging_state"]["n_averaged"] > 0
    (group,) = checkpoint["optimizer_states"][0]["param_groups"]
    assert (group["initial_lr"], group["weight_decay"]) == (1e-3, 1e-2)
    assert not list((tmp_path / "data").rglob("*-teacher-*.npz"))  # the teacher labels each batch anew
    assert pd.read_csv(folder / "metrics.csv")["val/cc"].count() == 1
    assert load_network(folder / "checkpoints" / "best.ckpt").options["width"] == 4


def test_msinet_is_trained_by_its_recipe(tmp_path):
    run(tmp_path, "train", "+experiment=msinet", *TINY, "data.sizes={train:2,val:1,test:1}",
        "model.input_size=[48,64]", "hydra.run.dir=outputs/run", timeout=600)  # fmt: skip
    folder = tmp_path / "outputs" / "run"
    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 2  # two images, one per step
    (group,) = checkpoint["optimizer_states"][0]["param_groups"]
    assert (group["lr"], group["betas"], len(group["params"])) == (1e-5, (0.9, 0.999), 46)
    moments = checkpoint["optimizer_states"][0]["state"]
    assert all(state["step"] == 2 and state["exp_avg_sq"].max() > 0 for state in moments.values())
    assert load_network(folder / "checkpoints" / "best.ckpt").variant == "original"


@pytest.mark.parametrize(("arguments", "message"), [
    (("+experiment=unisal", "model.encoder=absent.tar"), "model.encoder=published fetches"),
    (("+experiment=unisal", "model.input_size=[60,96]"), "input_size must be multiples of 32"),
    (("+experiment=demo", "+data@domains.DHF1K=synthetic"), "needs a network with parts for each domain: model=unisal"),
    (("+experiment=unisal", "+data@domains.SALICON=synthetic"), "choose one of DHF1K, Hollywood, UCFSports"),
    (("+experiment=demo", "+data@fit.extra_data.more=synthetic"), "fit.extra_data and fit.teacher need fit.size"),
    (("+experiment=demo", "fit.size=[48,64]", "+model@fit.teacher=cmrnet"), "fit.teacher has no trained weights"),
    (("+experiment=demo", "fit.size=[48,64]", "+model@fit.teacher=itti"), "fit.teacher=itti is not a network"),
    (("+experiment=demo", "module=unisal"), "module=unisal trains model=unisal, not cmrnet"),
])  # fmt: skip
def test_wrong_requests_end_in_one_line(tmp_path, arguments, message):
    done = run(tmp_path, "train", *arguments, *TINY, "data.sizes={train:1,val:1,test:1}", code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
