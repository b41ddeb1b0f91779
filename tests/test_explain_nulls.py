"""The bank of ``explain`` reaches the explainer; nulls=[...] of any command writes fidelity.csv, configured alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import nn

from explainsal.app.cli import conf_dir
from explainsal.data.sample import SaliencySample
from explainsal.errors import UserError
from explainsal.models import load_model
from explainsal.workflows.evaluation import evaluate
from explainsal.workflows.explaining import explain, explain_pictures, explainer_of
from explainsal.workflows.null_models import check_nulls, write_nulls
from explainsal.workflows.training import train


def config(folder: Path, *overrides: str) -> DictConfig:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("explain", overrides=[f"paths.output={folder}", "image=x", *overrides])


class EightBit(nn.Sequential):
    """Takes 8-bit images, as a saliency model does."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.float() / 255)


def net() -> nn.Module:
    torch.manual_seed(7)  # not the null models' seed: they would draw the same weights
    return EightBit(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


def test_the_bank_group_reaches_the_explainer(tmp_path: Path) -> None:
    cfg = config(tmp_path, "bank=octave", "bank.n_orientations=4")
    bank = explainer_of(cfg).explainer(net()).options.bank
    assert bank.n_orientations == 4
    assert bank.up_to_map_size  # the octave bank's mark


def test_without_a_bank_the_preset_keeps_its_own(tmp_path: Path) -> None:
    assert "bank" not in {k for k, v in explainer_of(config(tmp_path)).options.items() if v is not None}


def test_two_banks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two filter banks"):
        explainer_of(config(tmp_path, "bank=octave", "explainer.bank=kovesi"))


@pytest.mark.parametrize(("command", "words"), [(train, []), (evaluate, []), (explain, ["image=x"])])
def test_null_models_are_refused_before_anything_is_read(tmp_path: Path, command, words) -> None:
    for nulls, more, message in (
        ("shuffled_filterz", [], "shuffled_filterz"),
        ("shuffled_filters", ["evaluation.presets=[]"], "nothing is explained"),
    ):
        if command is explain and more:  # it always explains
            continue
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            cfg = compose(command.__name__, overrides=[f"paths.output={tmp_path}", f"nulls=[{nulls}]", *words, *more])
        with pytest.raises(UserError, match=message):
            command(cfg)


def test_nulls_are_measured_on_the_images_that_are_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cfg = config(tmp_path, "nulls=[shuffled_filters,untrained_network,cascade]", "evaluation.explain_images=2")
    explainer = explainer_of(cfg)
    random = np.random.default_rng(0)
    samples = [
        SaliencySample(
            id=name, index=i, image=random.integers(0, 256, (16, 24, 3), dtype=np.uint8), fixations=None, density=None
        )
        for i, name in enumerate("abc")
    ]
    model = net()
    explain_pictures(tmp_path, model, samples, explainer)  # type: ignore[arg-type]
    write_nulls(cfg, model, samples, [explainer])  # type: ignore[arg-type]
    table = pd.read_csv(tmp_path / "explanation" / "sparse" / "fidelity.csv")
    assert table["variant"].unique().tolist() == ["explanation", "shuffled_filters", "untrained_network"]
    assert table.groupby("variant")["image"].agg(list).tolist() == [["a", "b"]] * 3
    assert not table["cc_to_deep"].duplicated().any()  # every row is a model and an image of its own
    images = torch.from_numpy(samples[1].image).permute(2, 0, 1)[None]
    result = explainer.explain(model, images)
    mine, deep = result.explainable_map.flatten(), result.saliency_map.flatten()
    expected = np.corrcoef(mine.detach().numpy(), deep.detach().numpy())[0, 1]
    assert table.query("variant == 'explanation' and image == 'b'")["cc_to_deep"].item() == pytest.approx(
        expected, abs=1e-4
    )
    cascade = pd.read_csv(tmp_path / "explanation" / "sparse" / "cascade.csv")
    assert cascade.groupby("step")["image"].agg(list).tolist() == [["a", "b"]] * 3
    assert cascade["layer"].unique().tolist() == ["trained", "2", "0"]
    printed = capsys.readouterr().out
    assert "shuffled" in printed.lower()
    assert "with 2 of 2 layers fresh" in printed
    assert cascade.query("step == 2")["maps"].abs().max() < 0.999


class Priors(nn.Module):
    """A parameter that nothing draws again."""

    def __init__(self) -> None:
        super().__init__()
        self.priors, self.head = nn.Parameter(torch.rand(1, 1, 1, 1)), nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.head(images.float() / 255) + self.priors


@pytest.mark.parametrize("null", ["untrained_network", "cascade"])
def test_what_cannot_be_drawn_again_is_refused_once_the_network_is_there(tmp_path: Path, null: str) -> None:
    with pytest.raises(UserError, match=r"the network itself \(Priors\) has parameters of its own \(priors\)"):
        check_nulls(config(tmp_path, f"nulls=[{null}]"), model=Priors())
    check_nulls(config(tmp_path, "nulls=[shuffled_filters,random_layer]"), model=Priors())
    check_nulls(config(tmp_path, f"nulls=[{null}]"), model=load_model("unisal", input_size=(64, 96)))


def test_a_null_model_that_fails_costs_its_own_rows_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = config(tmp_path, "nulls=[shuffled_filters,untrained_network]")
    explainer = explainer_of(cfg)
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    samples = [SaliencySample(id="a", index=0, image=image, fixations=None, density=None)]
    explain_pictures(tmp_path, Priors(), samples, explainer)  # type: ignore[arg-type]
    write_nulls(cfg, Priors(), samples, [explainer])  # type: ignore[arg-type]
    table = pd.read_csv(tmp_path / "explanation" / "sparse" / "fidelity.csv")
    assert table["variant"].tolist() == ["explanation", "shuffled_filters"]
    assert "the null model untrained_network failed and is left out" in caplog.text
