"""Whichever command scores weights on images that they were trained on says so."""

from __future__ import annotations

import json

import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.data.lookalikes.pictures import write_picture

from explainsal.app.cli import conf_dir
from explainsal.evaluate import evaluate
from explainsal.explain import explain
from explainsal.models import load_network
from explainsal.models.published import card_path
from explainsal.train import train
from explainsal.workflows import evaluation


def stop(*_):
    raise KeyboardInterrupt


@pytest.fixture
def data(tmp_path):
    """A picture for each split, with a fixation."""
    for name in "abc":
        write_picture(tmp_path / "mydata" / "images" / f"{name}.png", (24, 32), 0)
    lines = ["image,x,y", *(f"{name}.png,20.5,10.5" for name in "abc")]
    (tmp_path / "mydata" / "fixations.csv").write_text("\n".join(lines))
    splits = dict(zip(("train", "val", "test"), (["a.png"], ["b.png"], ["c.png"]), strict=True))
    (tmp_path / "mydata" / "splits.json").write_text(json.dumps(splits))
    return tmp_path / "mydata"


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize(("command", "overrides"), [
    (evaluate, ["weights={}"]),
    (explain, ["weights={}"]),
    (train, ["model.weights={}", "module=frozen", "trainer=cpu", "trainer.max_epochs=1", "data.augmentation=null",
             "++callbacks.progress._target_=lightning.pytorch.callbacks.TQDMProgressBar"]),
])  # fmt: skip
def test_weights_that_have_seen_the_images(tmp_path, monkeypatch, caplog, data, command, overrides, seen):
    monkeypatch.setattr(evaluation, "score_images", stop)  # what comes before it is enough
    weights = tmp_path / "published.pth"
    torch.save(load_network("cmrnet", width=4).net.state_dict(), weights)
    card_path(weights).write_text(json.dumps({"trained_on": {"folder" if seen else "osie": "trained on all of it"}}))
    fixed = ["data=folder", "model=cmrnet", "model.width=4", "model.input_size=[24,32]", f"paths.output={tmp_path}/run"]
    fixed += [f"data.root={data}", "evaluation.baselines=[]", "data.num_workers=0"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose(command.__name__, [*fixed, *(line.format(weights) for line in overrides)])
    with pytest.raises(KeyboardInterrupt):
        command(cfg)
    assert ("published.pth have seen folder: trained on all of it" in caplog.text) == seen
