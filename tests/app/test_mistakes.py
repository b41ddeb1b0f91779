"""Options that would be ignored, misread or noticed late are refused before any data are read."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from PIL import Image

from explainsal.app.build import build_datamodule, build_explanation, build_model, choose_cfg_device
from explainsal.app.cli import _require_image, _require_true_or_false, conf_dir
from explainsal.app.distilling import build_fit_options
from explainsal.app.modes import run_mode
from explainsal.app.options import build_evaluation, build_postprocessing
from explainsal.app.tables import build_table
from explainsal.app.training import refuse_classical
from explainsal.distillation.model import build
from explainsal.errors import UserError
from explainsal.explanation.run import ExplanationRun
from explainsal.prepare import prepare
from explainsal.report import report
from explainsal.workflows.explaining import explain
from explainsal.workflows.options import EvaluationOptions
from explainsal.workflows.scoring import prepare_metrics


def config(command: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose(command, overrides=["paths.output=run", *overrides])


@pytest.mark.parametrize("command", ["evaluate", "explain", "predict", "distill", "export"])
@pytest.mark.parametrize("default", [None, "cmrnet_eyes"])
def test_weights_without_a_model_are_not_ignored(command, default):
    with pytest.raises(UserError, match="weights=published: of which network"):
        build_model(config(command, "weights=published"), default)
    with pytest.raises(UserError, match=r"instead of checkpoint=\.\.\., which has its own weights"):
        build_model(config(command, "weights=published", "checkpoint=best.ckpt"), default)


def test_published_weights_without_a_model_are_not_ignored():
    with pytest.raises(UserError, match="weights=published:mit1003: of which network"):
        prepare(config("prepare", "weights=published:mit1003"))


@pytest.mark.parametrize("options", [["data=osie"], ["data=folder", "data.root=mine"]])
def test_a_picture_beside_a_data_set_is_not_ignored(tmp_path, options):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    image = f"image={tmp_path}/a.png"
    _require_image(config("explain", image))
    with pytest.raises(UserError, match="give only image=... or only data=..."):
        _require_image(config("explain", image, *options))


def test_an_option_of_another_mode_is_not_ignored():
    with pytest.raises(UserError, match="figure=usage has no effect with mode=run: add mode=figure"):
        report(config("report", "run=somewhere", "figure=usage"))
    cfg = OmegaConf.create({"mode": "check", "file": None})
    assert run_mode(cfg, {"check": lambda cfg: 1}, {"file": "write"}) == 1


@pytest.mark.parametrize(("options", "message"), [
    ("nulls=shuffled_filters", r"nulls=shuffled_filters: this option is a list: nulls=\[shuffled_filters\]"),
    ("evaluation.presets=sparse", r"evaluation.presets=\[sparse\]"),
    ("evaluation.baselines=itti", r"evaluation.baselines=\[itti\]"),
    ("evaluation.baselines=[centre_bias]", "evaluation.baselines: no centre_bias; choose among center_bias,"),
    ("evaluation.profiles=[tubingen]", "evaluation.profiles: no tubingen; choose among tuebingen,"),
    ("evaluation.extra_metrics=[l]", "evaluation.extra_metrics: no l; choose among sim,"),
    ("evaluation.explain_images=some", "evaluation.explain_images=some: give a number"),
])  # fmt: skip
@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_wrong_options_of_an_evaluation_are_refused(command, options, message):
    with pytest.raises(UserError, match=message):
        build_evaluation(config(command, options))


def test_one_row_of_a_table_is_a_list():
    with pytest.raises(UserError, match=r"table.rows=\[itti\]"):
        build_table(config("evaluate", "+experiment=table1", "table.rows=itti"))


@pytest.mark.parametrize(("options", "message"), [
    ("images=all", "images=all: give a number"),
    ("input_size=96", r"input_size=96: .*input_size=\[96,128\]"),
    ("input_size=[96]", r"input_size=\[96\]: give height and width"),
])  # fmt: skip
def test_wrong_options_of_a_distillation_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        build_fit_options(config("distill", options))


@pytest.mark.parametrize(("options", "message"), [
    ("bank.wavelengths=3", "wavelengths must be a list of numbers, got 3"),
    ("bank.wavelengths=a", "wavelengths must be a list of numbers, got 'a'"),
    ("bank.n_orientations=a", "n_orientations must be a whole number from 1, got a"),
])  # fmt: skip
def test_wrong_options_of_a_bank_are_named(options, message):
    with pytest.raises(UserError, match=message):
        build_explanation(config("explain", options))


def test_text_in_place_of_a_number_is_refused(tmp_path):
    with pytest.raises(UserError, match="postprocessing.blur=a: give a standard deviation"):
        build_postprocessing(config("predict", "postprocessing.blur=a"))
    for name in "abc":
        Image.new("RGB", (8, 6)).save(tmp_path / f"{name}.png")
    datamodule = build_datamodule(config("predict", f"image={tmp_path}", "data.folds=3", "data.fold=a"))
    with pytest.raises(UserError, match="data.fold=a: the folds are numbered 0 to 2"):
        datamodule.setup("predict")


def test_an_unknown_accelerator_is_not_the_cpu():
    with pytest.raises(UserError, match="trainer.accelerator=gpus: choose one of auto, cpu, gpu, cuda, mps"):
        choose_cfg_device(config("predict", "trainer.accelerator=gpus"))


def test_a_classical_model_is_not_trained():
    refuse_classical(config("train"))
    with pytest.raises(UserError, match="itti has no weights to train"):
        refuse_classical(config("train", "model=itti"))


def test_pictures_without_ground_truth_are_not_scored(tmp_path: Path):
    Image.new("RGB", (8, 6)).save(tmp_path / "a.png")
    datamodule = build_datamodule(config("evaluate", "data=folder", f"data.root={tmp_path}"))
    with pytest.raises(UserError, match="has neither fixations nor densities"):
        prepare_metrics(EvaluationOptions(), datamodule)


@pytest.mark.parametrize(
    ("override", "meant"), [("evaluate=no", "false"), ("data.decoded=Off", "false"), ("a.b=on", "true")]
)
def test_words_for_yes_and_no_are_not_taken_for_text(override, meant):
    key = override.partition("=")[0]
    with pytest.raises(UserError, match=f"{override}: give {key}={meant}"):
        _require_true_or_false(["seed=1", override])
    _require_true_or_false(["evaluate=false", f"{key}='no'", "model=unisal"])


@pytest.mark.parametrize("options", [{"preset": "paper"}, {"preset": "sparse", "options": {"top_k": 3}}])
def test_a_standalone_model_takes_no_options_of_an_explanation(options, tmp_path):
    run = ExplanationRun(folder=tmp_path, **options)
    with pytest.raises(UserError, match=r"leave out explainer=\.\.\. and bank="):
        explain(build(), Mock(), Mock(), EvaluationOptions(), run)
