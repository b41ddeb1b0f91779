"""The file of a standalone model."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.distillation.small import fitted, samples

from explainsal.distillation import (
    load_standalone,
    save_standalone,
    term_table,
)
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.workflows.loading import load_model


def test_a_file_gives_the_same_model_without_any_network(fit, tmp_path):
    path = save_standalone(fit.model, tmp_path / "standalone.safetensors", {"finished": True, "seed": 3})
    model, note = load_standalone(path)
    images = next(samples()())[0]
    assert torch.equal(model(images), fit.model(images))
    assert note["seed"] == 3
    assert path.stat().st_mode & 0o044 == 0o044 & ~_umask()
    saliency = load_model("standalone", weights=path)
    assert saliency.name == "standalone"
    maps = saliency(torch.randint(0, 256, (2, 3, 40, 50), dtype=torch.uint8))
    assert maps.shape == (2, 1, 40, 50)
    assert maps.min() >= 0
    pd.testing.assert_frame_equal(term_table(model), term_table(fit.model))


def test_a_file_of_log_densities_is_of_format_2(tmp_path):
    fit = fitted()
    fit.model.output = "log_density"
    path = save_standalone(fit.model, tmp_path / "standalone.safetensors", {"finished": True})
    model, _ = load_standalone(path)
    images = next(samples()())[0]
    assert model.output == "log_density"
    assert torch.equal(model(images), fit.model(images))
    with safe_open(path, "pt") as file:
        assert json.loads(file.metadata()["explainsal.standalone"])["version"] == 2


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_files_that_cannot_be_used_say_why(fit, tmp_path):
    path = save_standalone(fit.model, tmp_path / "a.safetensors", {"finished": False})
    with pytest.raises(MissingFilesError, match="distill a network"):
        load_standalone(tmp_path / "nowhere.safetensors")
    with pytest.raises(UserError, match="interrupted fit, with 5 of its stages"):
        load_model("standalone", weights=path)
    tensors = load_file(path)
    with safe_open(path, "pt") as file:
        graph = json.loads(file.metadata()["explainsal.standalone"])
    save_file(tensors, tmp_path / "b.safetensors")
    with pytest.raises(CorruptFileError, match="not a standalone model"):
        load_standalone(tmp_path / "b.safetensors")
    (tmp_path / "c.safetensors").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CorruptFileError, match="cannot be read"):
        load_standalone(tmp_path / "c.safetensors")
    for change, error, message in (
        ({"version": 99}, UserError, r"format 99.*reads formats 1 and 2\. .*wrote it \(explainsal \d\S+\)$"),
        ({"stages": graph["stages"][1:]}, CorruptFileError, "complete model"),
        ({"bank": {**graph["bank"], "low_pass": [1.0]}}, CorruptFileError, "source or a filter that is not there"),
    ):
        save_file(tensors, tmp_path / "d.safetensors", {"explainsal.standalone": json.dumps({**graph, **change})})
        with pytest.raises(error, match=message):
            load_standalone(tmp_path / "d.safetensors")
    tensors["0.weight"][0, 0] = torch.nan
    save_file(tensors, tmp_path / "e.safetensors", {"explainsal.standalone": json.dumps(graph)})
    with pytest.raises(CorruptFileError, match="not finite"):
        load_standalone(tmp_path / "e.safetensors")


def test_the_published_file_still_reads_though_its_bank_has_an_older_word():
    path = Path(__file__).parents[2] / "experiments/standalone/models/standalone.safetensors"
    with safe_open(path, "pt") as file:
        assert '"orientations"' in file.metadata()["explainsal.standalone"]
    assert load_standalone(path)[0].bank.n_orientations == 5
