"""What is saved comes back, and the tables say the same as the tensors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from tests.explanation.nets import Functional

from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.explanation import PRESETS, Explainer, Explanation


@pytest.mark.parametrize("preset", list(PRESETS))
def test_what_is_saved_comes_back(preset, tmp_path):
    net = Functional()
    net.description = "untrained weights"
    out = Explainer(net, preset)(torch.rand(2, 3, 16, 24), keep_maps=2)
    back = Explanation.load(out.save(tmp_path / "new" / "folder"))
    assert back.options == out.options
    assert (back.preset, back.description) == (preset, "untrained weights")
    for table in (pd.read_csv(tmp_path / "new/folder/layers.csv"), out.to_dataframe(), out.layer_dataframe()):
        assert set(table["description"]) == {"untrained weights"}
    assert torch.equal(back.explainable_map, out.explainable_map)
    for a, b in zip(out.layers, back.layers, strict=True):
        assert (a.name, a.shape, a.parents) == (b.name, b.shape, b.parents)
        assert torch.equal(a.coefficients.weights, b.coefficients.weights)
        assert torch.equal(a.reconstructions, b.reconstructions)
        assert (a.coefficients.constant is None) == (b.coefficients.constant is None)


def test_tables_hold_what_the_tensors_hold(tmp_path):
    out = Explainer(Functional(), "sparse", pool_size=2, noise_floor=0)(torch.rand(2, 3, 16, 24), keep_maps=2)
    out.save(tmp_path, ids=["a", "b"])
    layers = pd.read_csv(tmp_path / "layers.csv")
    assert list(layers["name"]) == 2 * [layer.name for layer in out.layers]
    assert layers.loc[layers["name"] == "fuse", "parents"].tolist() == 2 * ["left;right"]
    row = layers[(layers["image"] == "b") & (layers["name"] == "fuse")].iloc[0]
    assert row["activation_mae"] == pytest.approx(out["fuse"].activation_mae[1].mean().item())

    terms = pd.read_parquet(tmp_path / "coefficients.parquet")
    number = [layer.name for layer in out.layers].index("fuse")
    mine = terms[(terms["image"] == "b") & (terms["layer"] == number) & (terms["map"] == 3)].set_index("term")
    weights = out["fuse"].coefficients.weights[1, 3]
    assert mine["weight"].loc[0:].tolist() == pytest.approx(weights[weights != 0].tolist())
    assert mine["weight"].loc[-1] == pytest.approx(out["fuse"].coefficients.constant[1, 3].item())
    first = out.bank.filters[out["fuse"].coefficients.filter[1, 3, 0]]
    assert mine["wavelength"].loc[0] == pytest.approx(first.wavelength)
    assert bool(mine["kept"].loc[0]) == (3 in out["fuse"].kept[1].tolist())
    assert set(terms["source"].str.split("/").str[0]) <= {"", "input", "stem", "left", "right", "fuse", "head"}

    with np.load(tmp_path / "maps.npz") as maps:
        channel = out["fuse"].channels[1, 0].item()
        assert np.allclose(maps[f"b/{number}/{channel}/activation"], out["fuse"].activations[1, 0], atol=1e-3)


def test_a_folder_without_an_explanation_and_a_broken_one_are_told_apart(tmp_path):
    with pytest.raises(MissingFilesError, match=r"explanation\.json"):
        Explanation.load(tmp_path)
    Explainer(Functional(), "sparse")(torch.rand(1, 3, 16, 24)).save(tmp_path)
    (tmp_path / "explanation.safetensors").write_bytes(b"cut")
    with pytest.raises(CorruptFileError, match="cannot read"):
        Explanation.load(tmp_path)
