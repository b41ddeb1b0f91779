"""The groups of an explanation in every command, and names that users of lightning-hydra-template know."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.errors import InstantiationException
from omegaconf import DictConfig
from PIL import Image

from explainsal.app.arguments import drop_null_groups
from explainsal.app.build import (
    build_datamodule,
    build_explanation,
    build_pictures,
    build_preset_explanations,
    choose_cfg_device,
    warn_of_one_process,
)
from explainsal.app.cli import conf_dir
from explainsal.app.distilling import build_distill_options, build_refine_options
from explainsal.app.options import build_evaluation
from explainsal.app.runs import build_loggers
from explainsal.app.training import build_module, build_trainer
from explainsal.app.training_data import build_training_data
from explainsal.distillation import DistillOptions, RefineOptions
from explainsal.errors import UserError
from explainsal.explanation import FilterBank, Options


def config(command: str, *overrides: str) -> DictConfig:
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose(command, overrides=["paths.output=run", *overrides])


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_explainer_and_bank_are_groups_of_every_command_that_explains(command):
    assert [run.preset for run in build_preset_explanations(config(command))] == ["paper", "normalized", "sparse"]
    [run] = build_preset_explanations(config(command, "explainer=sparse", "explainer.top_k=5", "bank=octave"))
    assert (run.preset, run.changes) == ("sparse", {"top_k": 5, "bank": {"name": "octave"}})
    banks = [run.changes for run in build_preset_explanations(config(command, "bank=kovesi"))]
    assert banks == [{"bank": {"name": "kovesi"}}] * 3
    assert build_preset_explanations(config(command, "evaluation.presets=[]")) == []


@pytest.mark.parametrize("name", ["paper", "normalized", "sparse"])
def test_a_preset_without_changes_has_none(name):
    run = build_explanation(config("explain", f"explainer={name}"))
    assert (run.preset, run.changes) == (name, {})


def test_the_options_in_conf_are_those_of_the_classes():
    explainer = set(config("explain").explainer) - {"preset"}
    assert explainer == {field.name for field in fields(Options)} | {"low_pass"}
    series = {"min_wavelength", "wavelength_factor", "n_wavelengths"}
    assert (
        set(config("explain", "bank=octave").bank) - {"name"} == {f.name for f in fields(FilterBank) if f.init} | series
    )


@pytest.mark.parametrize("count", [0, -1])
def test_a_number_of_explained_images_is_at_least_one(count):
    with pytest.raises(UserError, match=r"explain_images=-?\d: give a number from 1.*presets=\[\]"):
        build_evaluation(config("evaluate", f"evaluation.explain_images={count}"))


def test_a_distillation_shows_its_defaults():
    cfg = config("distill")
    assert build_distill_options(cfg) == DistillOptions()
    assert build_refine_options(cfg) == RefineOptions(seed=cfg.seed)
    assert (cfg.distill.terms, cfg.refine.rate) == (DistillOptions().terms, RefineOptions().rate)


def test_ckpt_path_is_understood():
    assert config("train", "ckpt_path=last.ckpt").resume == "last.ckpt"
    assert config("train").resume is None
    for command in ("evaluate", "explain", "predict", "distill", "export"):
        assert config(command, "ckpt_path=best.ckpt").checkpoint == "best.ckpt"
        assert config(command).checkpoint is None


def test_null_members_and_null_groups_are_left_out():
    trainer = build_trainer(config("train", "trainer=cpu", "callbacks.interrupt=null", "callbacks.progress=null"), [])
    names = {type(callback).__name__ for callback in trainer.callbacks}
    assert "ModelCheckpoint" in names
    assert "InterruptCheckpoint" not in names
    given = ["callbacks=null", "logger=null", "data/augmentation=null", "fit.extra_data=null"]
    arguments = drop_null_groups(given, Path(conf_dir(), "train.yaml"))
    cfg = config("train", "trainer=cpu", *arguments)
    assert build_loggers(cfg, "train") == []
    assert build_datamodule(cfg).augmentation is None
    assert "InterruptCheckpoint" not in {type(callback).__name__ for callback in build_trainer(cfg, []).callbacks}
    assert build_loggers(config("train", "logger=wandb", "logger.wandb=null", "logger.csv=null"), "train") == []
    datamodule = build_datamodule(config("train", "data/augmentation=modest", "data.augmentation.steps.flip=null"))
    assert len(datamodule.augmentation.pipeline.transforms) == 2
    data = build_training_data(config("train", "model=unisal", "+domains.Hollywood=null"), datamodule)
    assert list(data.domains) == ["SALICON"]


def test_a_null_optimizer_is_refused():
    with pytest.raises(InstantiationException, match="choose module=frozen"):
        build_module(config("train", "module.optimizer=null"))


def test_debug_configs_are_short():
    quick = config("train", "+experiment=demo", "+debug=default")
    assert (quick.trainer.max_epochs, quick.trainer.limit_train_batches, quick.trainer.accelerator) == (1, 2, "cpu")
    assert config("train", "+debug=overfit").data.augmentation is None


@pytest.mark.parametrize("command", ["train", "evaluate", "explain", "predict", "distill"])
def test_the_accelerator_is_obeyed_by_every_command(command, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert choose_cfg_device(config(command, "trainer=cpu")).type == "cpu"
    assert choose_cfg_device(config(command)).type == "cuda"
    assert choose_cfg_device(config(command, "trainer=gpu", "trainer.devices=[1]")).index == 1
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="finds no GPU"):
        choose_cfg_device(config(command, "trainer=gpu"))


@pytest.mark.parametrize(
    ("devices", "several"), [("1", 0), ("2", 1), ("auto", 0), ("'0,1'", 1), ("[0,1]", 1), ("-1", 0)]
)
def test_one_process_is_said_where_several_devices_are_given(devices, several, caplog, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    cfg = config("predict", "trainer=ddp", "trainer.accelerator=cpu", f"trainer.devices={devices}")
    warn_of_one_process(cfg, "predicting")
    assert caplog.text.count("predicting runs in one process: trainer.devices=") == several


def test_only_pictures_without_ground_truth_are_read_without_a_data_module(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "a.png")
    pictures = build_pictures(config("explain", f"image={tmp_path}"))
    assert [sample.id for sample in pictures] == ["a"]
    assert build_pictures(config("explain", f"image={tmp_path}", "data.eval_split=all")) is None
    (tmp_path / "fixations.csv").write_text("image,x,y\na.png,3,2\n")
    assert build_pictures(config("explain", f"image={tmp_path}")) is None


@pytest.mark.parametrize(("accelerator", "shared"), [("cpu", False), ("auto", False), ("gpu", True)])
def test_batch_statistics_are_shared_only_between_gpus(accelerator, shared, monkeypatch, caplog):
    given = {}
    monkeypatch.setattr("torch.cuda.is_available", lambda: accelerator == "gpu")
    monkeypatch.setattr("explainsal.app.training.instantiate", lambda node, **options: given.update(options))
    cfg = config("train", "trainer=ddp", f"trainer.accelerator={accelerator}")
    build_trainer(cfg, [])
    assert given.get("sync_batchnorm", cfg.trainer.sync_batchnorm) is shared
    assert ("batch statistics" in caplog.text) is not shared
