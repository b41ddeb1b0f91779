"""Whichever command scores weights on images that they were trained on says so."""

from __future__ import annotations

import json

import pytest
import torch
from hydra import compose, initialize_config_dir
from tests.data.lookalikes.pictures import write_picture

from explainsal import evaluate as evaluation
from explainsal.cli import conf_dir
from explainsal.evaluate import evaluate
from explainsal.explain import explain
from explainsal.models import load_model
from explainsal.models.published import card_path


def stop(*_):
    raise KeyboardInterrupt


@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("command", [evaluate, explain])
def test_weights_that_have_seen_the_images(tmp_path, monkeypatch, caplog, command, seen):
    monkeypatch.setattr(evaluation, "score_images", stop)  # what comes before it is enough
    weights, data = tmp_path / "published.pth", tmp_path / "mydata"
    torch.save(load_model("cmrnet", width=4).net.state_dict(), weights)
    card_path(weights).write_text(json.dumps({"trained_on": {"folder" if seen else "osie": "trained on all of it"}}))
    write_picture(data / "images" / "a.png", (24, 32), 0)
    (data / "fixations.csv").write_text("image,x,y\na.png,20.5,10.5\n")
    fixed = ["data=folder", "model=cmrnet", "model.width=4", f"paths.output={tmp_path}/run", f"weights={weights}"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose(command.__name__, [*fixed, f"data.root={data}", "evaluation.baselines=[]", "data.num_workers=0"])
    with pytest.raises(KeyboardInterrupt):
        command(cfg)
    assert ("published.pth have seen folder: trained on all of it" in caplog.text) == seen
