"""The callback in a real test loop and a real training loop, on a tiny network."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from lightning import LightningModule, Trainer
from torch import nn
from torch.utils.data import DataLoader

from explainsal.callbacks.log_gabor_reconstruction import LogGaborReconstruction
from explainsal.data.sample import SaliencyBatch, SaliencySample
from explainsal.explanation import Explainer
from explainsal.explanation.run import ExplanationRun
from explainsal.functional.losses import kl_div_cc
from explainsal.metrics import SaliencyMetrics
from explainsal.models.cmrnet import build
from explainsal.modules.evaluation import EvaluationModule
from explainsal.modules.saliency import SaliencyModule

OPTIONS = {"layers": ["stem.*", "pool1", "decoder.*"], "top_k": 3, "pool_size": 2}
SIZE = (40, 48)


def samples(count=5):
    rng = np.random.default_rng(0)
    for i in range(count):
        yield SaliencySample(
            f"image{i}", i, rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8),
            fixations=rng.random((6, 2)) * [SIZE[1], SIZE[0]], density=rng.random(SIZE, dtype=np.float32),
        )  # fmt: skip


def loader(batch_size=2):
    return DataLoader(list(samples()), batch_size=batch_size, collate_fn=SaliencyBatch.collate)


def trainer(tmp_path, *callbacks, **settings):
    return Trainer(
        accelerator="cpu", logger=False, callbacks=list(callbacks), default_root_dir=tmp_path,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False, **settings,
    )  # fmt: skip


@pytest.fixture
def model():
    return build(width=4, input_size=(32, 40)).eval()


def test_a_test_loop_scores_explainable_maps_and_writes_the_tables(tmp_path, model):
    callback = LogGaborReconstruction(
        ExplanationRun("sparse", tmp_path / "sparse", options=OPTIONS, table_images=2, map_images=1)
    )
    module = EvaluationModule(
        {"deep": model}, partial(SaliencyMetrics, names=("cc", "nss")), explainable=["explainable/sparse"]
    )
    trainer(tmp_path, callback).test(module, dataloaders=loader(), verbose=False)

    rows = module.per_image().set_index(["model", "index"]).loc["explainable/sparse"]
    assert list(rows.index) == list(range(5))
    images = SaliencyBatch.collate(list(samples())).images
    expected = Explainer(model, "sparse", **OPTIONS)(images)
    deep, explainable = expected.saliency_map.flatten(1).numpy(), expected.explainable_map.flatten(1).numpy()
    agreement = [np.corrcoef(a, b)[0, 1] for a, b in zip(deep, explainable, strict=True)]
    assert rows["cc_to_deep"].tolist() == pytest.approx(agreement, abs=1e-5)

    fidelity = pd.read_csv(tmp_path / "sparse" / "fidelity.csv")
    assert fidelity[["variant", "image"]].to_numpy().tolist() == [["explanation", f"image{i}"] for i in range(5)]
    assert fidelity["cc_to_deep"].tolist() == pytest.approx(agreement, abs=1e-5)
    layers = pd.read_csv(tmp_path / "sparse" / "layers.csv")
    assert set(layers["image"]) == {f"image{i}" for i in range(5)}
    assert set(layers["name"]) == {layer.name for layer in expected.layers}
    terms = pd.read_parquet(tmp_path / "sparse" / "coefficients.parquet")
    assert set(terms["image"]) == {"image0", "image1"}
    with np.load(tmp_path / "sparse" / "maps.npz") as maps:
        images = {name.split("/")[0] for name in maps.files if name != "description"}
    assert images == {"image0", "image1"}  # the explained batch


def test_the_limit_counts_images_not_batches(tmp_path, model):
    callback = LogGaborReconstruction(ExplanationRun("normalized", tmp_path / "x", limit=3, options=OPTIONS))
    module = EvaluationModule(
        {"deep": model}, partial(SaliencyMetrics, names=("cc",)), explainable=["explainable/normalized"]
    )
    trainer(tmp_path, callback).test(module, dataloaders=loader(), verbose=False)
    assert set(pd.read_csv(tmp_path / "x" / "layers.csv")["image"]) == {"image0", "image1", "image2"}
    rows = module.per_image()
    assert rows[rows["model"] == "explainable/normalized"]["index"].tolist() == [0, 1, 2]
    assert len(rows[rows["model"] == "deep"]) == 5


def test_validation_logs_the_agreement_and_training_goes_on(tmp_path, model):
    callback = LogGaborReconstruction(ExplanationRun("sparse", tmp_path / "sparse", limit=2, options=OPTIONS))
    module = SaliencyModule(model, loss=kl_div_cc, optimizer=partial(torch.optim.SGD, lr=1e-3))
    loop = trainer(tmp_path, callback, max_epochs=2, num_sanity_val_steps=1)
    loop.fit(module, train_dataloaders=loader(), val_dataloaders=loader())
    logged = loop.callback_metrics
    assert -1 <= logged["val/explainable_sparse_cc_to_deep"] <= 1
    assert -1 <= logged["val/explainable_sparse_cc"] <= 1
    layers = pd.read_csv(tmp_path / "sparse" / "layers.csv")
    assert set(layers["image"]) == {"image0", "image1"}
    assert "description" not in layers  # the weights of a network in training are not "untrained"
    assert not any(part._forward_hooks for part in model.modules())


def test_a_module_without_a_network_is_refused(tmp_path):
    class Bare(LightningModule):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def test_step(self, batch, batch_idx):
            return None

    callback = LogGaborReconstruction(ExplanationRun("sparse", tmp_path / "sparse"))
    with pytest.raises(TypeError, match=r"no \.model"):
        trainer(tmp_path, callback).test(Bare(), dataloaders=loader(), verbose=False)
