"""The packaged network: its file is complete, its card is correct, and it predicts better than a center bias."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
from hydra import compose, initialize_config_dir

from explainsal.app.cli import conf_dir
from explainsal.classical import classical_model
from explainsal.data.osie import read_osie
from explainsal.data.sample import SaliencyBatch
from explainsal.evaluate import evaluate
from explainsal.functional.metrics import cc
from explainsal.models import load_network
from explainsal.models.packaged import packaged_file
from explainsal.models.published import training_data_warning
from explainsal.workflows import evaluation

WEIGHTS = packaged_file("cmrnet_osie")


def test_the_card_describes_the_file():
    card = json.loads(WEIGHTS.with_name(f"{WEIGHTS.name}.card.json").read_text())
    assert card["sha256"] == hashlib.sha256(WEIGHTS.read_bytes()).hexdigest()
    assert card["bytes"] == WEIGHTS.stat().st_size < 6e6
    assert "1001-1350" in training_data_warning(WEIGHTS, "osie")
    assert "are not a fair test" in training_data_warning(WEIGHTS, "osie", "val")
    assert "have not seen the part evaluated here, osie test" in training_data_warning(WEIGHTS, "osie", "test")
    assert "are not a fair test" in training_data_warning(WEIGHTS, "osie", "msinet test")


def test_it_predicts_where_people_look(shared):
    dataset = read_osie(shared / "data" / "osie", "test")
    batch = SaliencyBatch.collate([dataset[i] for i in range(0, 100, 10)])
    with torch.no_grad():
        ours, center = (
            cc(model(batch.images)[:, 0], batch.density).mean().item()
            for model in (load_network("cmrnet_osie"), classical_model("center_gaussian"))
        )
    assert ours == pytest.approx(0.711, abs=0.005)  # as measured with the weights before they were halved to 16 bits
    assert ours > center + 0.2


def test_evaluating_it_on_osie_says_what_it_has_seen_of_osie(shared, tmp_path, monkeypatch, caplog):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, "score_images", stop)  # the first part of the path is enough
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        wanted = ["model=cmrnet_osie", "data=osie", f"data.root={shared}/data/osie", f"data.cache={tmp_path}"]
        cfg = compose("evaluate", overrides=wanted)
    cfg.paths.output = str(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        evaluate(cfg)
    assert "images 1001-1350" in caplog.text
    assert "not seen the part evaluated here, osie test" in caplog.text
    record = json.loads((tmp_path / "environment.json").read_text())
    assert record["model"]["weights"] == str(WEIGHTS)
