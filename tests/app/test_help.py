"""Help fits a screen, its examples compose, the nearest option is suggested, and both answer at once."""

from __future__ import annotations

import importlib
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf

from explainsal.app.arguments import drop_null_groups
from explainsal.app.cli import conf_dir
from explainsal.app.help import (
    explain_dashes,
    explain_null,
    explain_quoting,
    explain_wrong_number,
    explain_wrong_option,
    find_nearest,
    format_help,
)

CONF = Path(conf_dir())
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))


def examples(command: str) -> tuple[str, ...]:
    found: tuple[str, ...] = importlib.import_module(f"explainsal.{command}").EXAMPLES
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_help_fits_a_screen(command):
    text = format_help(command, "Summary.", examples(command), CONF)
    assert len(text.splitlines()) <= 40
    assert max(map(len, text.splitlines())) <= 110
    assert len(examples(command)) == 5


@pytest.mark.parametrize(("command", "example"), [(c, e) for c in COMMANDS for e in examples(c)])
def test_every_example_composes(command, example):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        assert compose(command, overrides=[word for word in example.split() if word != "-m"])


@pytest.mark.parametrize(("wrong", "nearest"), [
    ("modle", "model"), ("trainer.max_epoch", "trainer.max_epochs"), ("max_epochs", "trainer.max_epochs"), ("zz", None),
])  # fmt: skip
def test_the_nearest_name(wrong, nearest):
    assert find_nearest(wrong, ["module", "model", "trainer.max_epochs", "seed"]) == nearest


@pytest.mark.parametrize(("command", "arguments", "expected"), [
    ("train", ["trainer.max_epoch=3"], "no option 'trainer.max_epoch'. Did you mean trainer.max_epochs?"),
    ("explain", ["model=cmrnet", "model.widht=3"], "Did you mean model.width?"),
    ("explain", ["top_k=3"], "Did you mean explainer.top_k?"),
    ("train", ["data=osei"], "data=osei does not exist. Did you mean data=osie? Choose one of cat2000, "),
])  # fmt: skip
def test_a_wrong_option_is_answered_with_the_nearest_one(command, arguments, expected):
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"), pytest.raises(Exception) as error:  # noqa: PT011
        compose(command, overrides=arguments)
    assert expected in explain_wrong_option(error.value, command, arguments, CONF)


NAMES = ["Küche.jpg", "photo (1).jpg", "it's.jpg", "a=b.jpg", "x[1].jpg", "#5.jpg", "$x (2).jpg", "日本.png", "{a}.jpg",
         "back\\'s.jpg", "a,b.jpg", "holiday! (3).jpg"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_must_be_quoted_is_shown_quoted(name):
    """The advice, typed into a shell, gives the command this path."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        with pytest.raises(HydraException) as error:
            compose("predict", overrides=[f"image={name}"])
        message = explain_wrong_option(error.value, "predict", [f"image={name}"], CONF)
        assert "\n" not in message
        word = message.partition("quotes: ")[2].removesuffix(".")
        (argument,) = shlex.split(word)
        assert compose("predict", overrides=[argument]).image == name


@pytest.mark.parametrize(("arguments", "expected"), [
    (["+experiment=demo", "trainer.max_epochs=three"], "trainer.max_epochs=three: this option is a whole number, "),
    (["+experiment=cmrnet", "module.optimizer.lr=fast"], "module.optimizer.lr=fast: this option is a number, "),
    (["model.input_size=96"], "model.input_size=96: this option is a list, by default [320, 480]"),
    (["trainer.max_epochs=2.5"], "trainer.max_epochs=2.5: this option is a whole number, by default 20"),
    (["seed=3", "trainer.max_epochs=4", "trainer.devices=auto", "+new=text", "data.root=text"], None),
    ([], None),
])  # fmt: skip
def test_text_in_place_of_a_number_is_named(arguments, expected):
    found = explain_wrong_number("train", arguments, CONF)
    assert found is expected is None or found.startswith(expected)


@pytest.mark.parametrize(("argument", "expected"), [
    ("photo.jpg", "photo.jpg: options are written KEY=VALUE; see the examples in --help"),
    ("img=photo.jpg", "there is no option 'img'. Did you mean image?"),
])  # fmt: skip
def test_a_word_that_is_no_option_is_answered(argument, expected):
    with pytest.raises(HydraException) as raised, initialize_config_dir(str(CONF), version_base="1.3"):
        compose("explain", overrides=[argument])
    assert explain_wrong_option(raised.value, "explain", [argument], CONF).startswith(expected)


@pytest.mark.parametrize(("arguments", "expected"), [
    (["--image", "photo.jpg"], "--image: options are written without dashes: image=photo.jpg"),
    (["--model=unisal"], "--model=unisal: options are written without dashes: model=unisal"),
    (["--data.batch_size", "8"], "--data.batch_size: options are written without dashes: data.batch_size=8"),
    (["--cfg", "job", "--package", "data", "-m", "image=photo.jpg", "--hydra-help", "--config-dir", "x"], None),
])  # fmt: skip
def test_options_in_another_form_are_shown_in_the_right_one(arguments, expected):
    assert explain_dashes(arguments, "explain", CONF) == expected


def test_what_is_wrong_within_quotes_stays_hydras_own_message():
    assert explain_quoting("image='a") is None
    assert explain_quoting("image") is None


SLOW = ("torch", "numpy", "pandas", "lightning", "torchmetrics", "matplotlib", "scipy", "numba", "cv2")
CODE = """
import atexit, runpy, sys
atexit.register(lambda: print("loaded:", *[name for name in {slow} if name in sys.modules], file=sys.stderr))
sys.argv[1:] = ["{argument}"]
runpy.run_module("explainsal.{command}", run_name="__main__", alter_sys=True)
"""

GROUPS = ["bank", "callbacks", "data", "data/augmentation", "evaluation", "explainer", "hydra", "logger", "metrics",
          "model", "module", "module/loss", "module/optimizer", "module/scheduler", "paths", "submission",
          "trainer"]  # fmt: skip
REQUIRED = {"train": ("model", "module", "module/loss", "module/optimizer"), "explain": ("explainer",)}


@pytest.mark.parametrize("command", ["train", "evaluate", "explain", "predict"])
def test_a_null_group_is_left_out_or_answered_with_its_choices(command):
    text = (CONF / f"{command}.yaml").read_text()
    used = [group for group in GROUPS if f"- {group}: " in text or (command == "train" and "/" in group)]
    required = {"data", "evaluation", "hydra", "metrics", "paths", "trainer", *REQUIRED.get(command, ())}
    with initialize_config_dir(str(CONF), version_base="1.3"):
        for group in used:
            arguments = drop_null_groups([f"{group}=null"], CONF / f"{command}.yaml")
            if group not in required:
                assert not OmegaConf.select(compose(command, overrides=arguments), group.replace("/", "."))
                continue
            with pytest.raises(ValueError, match="Config group override") as error:
                compose(command, overrides=arguments)
            message = explain_wrong_option(error.value, command, arguments, CONF)
            assert message.startswith(f"{group}=null: this command needs one of ")


@pytest.mark.parametrize(("command", "argument", "expected"), [
    ("train", "fit=null", "this is a group of options; give single ones (size, extra_data, teacher, share, relabel)"),
    ("explain", "nulls=null", "this option needs a value, by default []; [] is the empty list"),
    ("evaluate", "evaluation.gallery=null", "this option needs a value, by default 6"),
    ("predict", "to=null", None),
])  # fmt: skip
def test_a_null_option_is_named_with_its_default(command, argument, expected):
    assert explain_null(command, [argument], CONF) == (expected and f"{argument}: {expected}")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("argument", "code"), [("--help", 0), ("trainer.max_epoch=3", 2)])
def test_help_and_a_wrong_option_import_nothing_slow(tmp_path, command, argument, code):
    """Both then answer within a second of CPU time; imports are checked because times depend on the machine's load."""
    program = CODE.format(slow=SLOW, argument=argument, command=command)
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env={**os.environ}, capture_output=True)
    assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1].strip() == b"loaded:"
    assert b"Traceback" not in done.stderr
