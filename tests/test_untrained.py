"""Every file that shows what a network with random weights makes says so, and none of a trained network does."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from PIL import Image

from explainsal.app.cli import conf_dir
from explainsal.evaluate import evaluate
from explainsal.explain import explain
from explainsal.models import load_network
from explainsal.models.saliency_model import UNTRAINED
from explainsal.predict import predict
from explainsal.workflows import runs

NETWORK = ("model=cmrnet", "model.width=4", "model.input_size=[16,24]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures with fixations."""
    monkeypatch.setattr(runs, "write_figures", lambda run: [])  # tests/reporting has them, and they take long
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    for name in "ab":
        cv2.imwrite(str(tmp_path / "images" / f"{name}.png"), rng.integers(0, 256, (32, 40, 3), dtype=np.uint8))
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,20.5,30.5\nb.png,10.5,15.5\n")
    return tmp_path


def run(folder: Path, command, *overrides: str) -> Path:
    fixed = [f"paths.output={folder}/run", f"paths.outputs={folder}/outputs", "data=folder", "data.num_workers=0"]
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose(command.__name__, [*fixed, *overrides])
    made = command(cfg)
    return made if isinstance(made, Path) else folder / "run"


def said(path: Path) -> str:
    """Everything that a file says in words."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return str(arrays["description"]) if "description" in arrays else ""
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    if path.suffix == ".png":
        return "".join(Image.open(path).text.values())
    return path.read_text()


def files_of(run: Path) -> dict[str, Path]:
    """Those of a run that show what the network makes."""
    paths = (path for path in sorted(run.rglob("*")) if path.is_file() and path.name != "config.yaml")
    return {path.relative_to(run).as_posix(): path for path in paths}


@pytest.mark.parametrize("trained", [False, True])
def test_what_explain_leaves(folder, trained):
    network = list(NETWORK)
    if trained:
        torch.save(load_network("cmrnet", width=4).net.state_dict(), folder / "trained.pt")
        network.append(f"weights={folder}/trained.pt")
    few = ("evaluation.explain_images=1", "explainer.layers=conv", "explainer.pool_size=2", "explainer.top_k=2")
    nulls = "nulls=[shuffled_filters,cascade]"
    files = files_of(run(folder, explain, f"data.root={folder}/images", *network, *few, nulls))
    tables = {"layers.csv", "coefficients.parquet", "maps.npz", "fidelity.csv", "cascade.csv"}
    assert {f"explanation/sparse/{name}" for name in tables} <= files.keys()
    assert {"environment.json", "report.html", "gallery/a.npz", "maps/a_deep.png", "maps/a_explainable.png"} < {*files}
    silent = {name for name, path in files.items() if UNTRAINED not in said(path)}
    assert silent == (files.keys() if trained else set())


def test_what_evaluate_leaves(folder):
    options = ("evaluation.explain_images=1", "evaluation.presets=[sparse]", "evaluation.profiles=[mit2016]")
    files = files_of(run(folder, evaluate, f"data.root={folder}", *NETWORK, *options))
    assert {"results.csv", "profiles.csv", "per_image.parquet", "explanation/sparse/layers.csv"} < files.keys()
    assert {name for name, path in files.items() if UNTRAINED not in said(path)} == set()
    rows = pd.read_parquet(files["per_image.parquet"]).groupby("model")["description"].unique().map(list)
    assert rows["deep"] == rows["explainable/sparse"] == [UNTRAINED]
    assert rows["center_bias_loo"] == [""]  # which is no network


@pytest.mark.parametrize("form", ["png", "npy"])
def test_predicted_maps_and_the_name_of_their_folder(folder, form):
    maps = run(folder, predict, f"data.root={folder}/images", *NETWORK, f"format={form}")
    assert maps.name.startswith("cmrnet-untrained-")  # an array has no place for words
    assert UNTRAINED in maps.with_name(f"{maps.name}.json").read_text()
    if form == "png":
        assert [said(path) for path in sorted(maps.iterdir())] == [UNTRAINED] * 2
        stored = cv2.imread(str(maps / "a.png"), cv2.IMREAD_UNCHANGED)
        assert (stored.shape, stored.max()) == ((32, 40), 255)


def test_a_submission(folder):
    chosen = ("submission=tuebingen", "submission.density=sum", f"data.root={folder}/images")
    with h5py.File(run(folder, predict, *chosen, *NETWORK)) as file:
        assert Path(file.filename).name == "cmrnet-untrained-density.hdf5"
        assert file.attrs["comment"] == UNTRAINED
