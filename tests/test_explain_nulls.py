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

from explainsal.app.build import build_explanation
from explainsal.app.cli import conf_dir
from explainsal.data.sample import SaliencySample
from explainsal.errors import UserError
from explainsal.evaluate import evaluate
from explainsal.explain import explain
from explainsal.train import train
from explainsal.workflows.explaining import explain_pictures
from explainsal.workflows.loading import load_model
from explainsal.workflows.null_models import check_nulls, write_nulls


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
    bank = build_explanation(cfg).explainer_for(net()).options.bank
    assert bank.n_orientations == 4
    assert bank.up_to_map_size  # the octave bank's mark


def test_without_a_bank_the_preset_keeps_its_own(tmp_path: Path) -> None:
    assert "bank" not in {k for k, v in build_explanation(config(tmp_path)).options.items() if v is not None}


def test_two_banks_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="two filter banks"):
        build_explanation(config(tmp_path, "bank=octave", "explainer.bank=kovesi"))


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
    explaining = build_explanation(cfg)
    random = np.random.default_rng(0)
    samples = [
        SaliencySample(
            id=name, index=i, image=random.integers(0, 256, (16, 24, 3), dtype=np.uint8), fixations=None, density=None
        )
        for i, name in enumerate("abc")
    ]
    model = net()
    explain_pictures(tmp_path, model, samples, explaining)  # type: ignore[arg-type]
    assert pd.read_csv(tmp_path / "explanation" / "sparse" / "layers.csv")["image"].unique().tolist() == ["a", "b"]
    write_nulls(cfg.nulls, model, samples, [explaining], limit=2, seed=cfg.seed)  # type: ignore[arg-type]
    table = pd.read_csv(tmp_path / "explanation" / "sparse" / "fidelity.csv")
    assert table["variant"].unique().tolist() == ["explanation", "shuffled_filters", "untrained_network"]
    assert table.groupby("variant")["image"].agg(list).tolist() == [["a", "b"]] * 3
    assert not table["cc_to_deep"].duplicated().any()  # every row is a model and an image of its own
    images = torch.from_numpy(samples[1].image).permute(2, 0, 1)[None]
    result = explaining.explain(model, images)
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
    assert "with 2 of 2 layers randomized" in printed
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
    with pytest.raises(UserError, match=r"the network itself \(Priors\) has its own parameters \(priors\)"):
        check_nulls([null], model=Priors())
    check_nulls(["shuffled_filters", "random_layer"], model=Priors())
    check_nulls([null], model=load_model("unisal", input_size=(64, 96)))


def test_a_null_model_that_fails_costs_its_own_rows_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cfg = config(tmp_path, "nulls=[shuffled_filters,untrained_network]")
    explainer = build_explanation(cfg)
    image = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)
    samples = [SaliencySample(id="a", index=0, image=image, fixations=None, density=None)]
    explain_pictures(tmp_path, Priors(), samples, explainer)  # type: ignore[arg-type]
    write_nulls(cfg.nulls, Priors(), samples, [explainer])  # type: ignore[arg-type]
    table = pd.read_csv(tmp_path / "explanation" / "sparse" / "fidelity.csv")
    assert table["variant"].tolist() == ["explanation", "shuffled_filters"]
    assert "the null model untrained_network failed and is omitted" in caplog.text
