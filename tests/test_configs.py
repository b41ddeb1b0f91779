"""Every choice in conf/ composes, names a module of its group, and passes only parameters that exist."""

import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object

from explainsal.app.cli import conf_dir
from explainsal.classical import MODELS

CONF = Path(conf_dir())
PACKAGE = {"model": "explainsal.models", "module": "explainsal.modules", "data": "explainsal.datamodules"}
CHOICES = [(group, path.stem) for group in PACKAGE for path in sorted((CONF / group).glob("*.yaml"))]
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
COMMANDS = sorted(path.stem for path in CONF.glob("*.yaml"))


def composed(command: str, *overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(command, overrides=list(overrides))


def nodes(config) -> list:
    """Every node with a _target_, however deep."""
    if hasattr(config, "items"):
        own = [config] if "_target_" in config else []
        return own + [n for key in config for n in nodes(config._get_node(key))]
    if isinstance(config, list) or type(config).__name__ == "ListConfig":
        return [n for item in config for n in nodes(item)]
    return []


def unknown(keys: set[str], target) -> set[str]:
    """Keys that may not be passed; a class of ours hands its **options to the class that it extends."""
    own = inspect.signature(target).parameters.values()
    left = keys - {p.name for p in own if p.kind is not p.VAR_KEYWORD}
    if not any(p.kind is p.VAR_KEYWORD for p in own):
        return left
    if not inspect.isclass(target) or not target.__module__.startswith("explainsal"):
        return set()
    return unknown(left, next(cls for cls in target.__mro__[1:] if "__init__" in vars(cls)))


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_each_choice_names_its_module(group, name):
    node = composed("train", f"{group}={name}")[group]
    package = "explainsal.classical" if group == "model" and name in MODELS else PACKAGE[group]
    elsewhere = {"standalone": "explainsal.distillation.model", "graph": "explainsal.distillation.graph"}
    module = elsewhere.get(name, f"{package}.{name}")
    assert node._target_.startswith(f"{module}.")


def test_every_classical_model_is_a_choice():
    assert set(MODELS) <= {name for group, name in CHOICES if group == "model"}
    for name, cls in MODELS.items():
        assert composed("evaluate", f"model={name}").model._target_ == f"explainsal.classical.{name}.{cls}"


@pytest.mark.parametrize("overrides", [
    *([f"{group}={name}"] for group, name in CHOICES),
    *([f"+experiment={name}"] for name in EXPERIMENTS),
    *([f"trainer={path.stem}"] for path in sorted((CONF / "trainer").glob("*.yaml"))),
    *([f"logger={path.stem}"] for path in sorted((CONF / "logger").glob("*.yaml"))),
    *([f"module/{path.parent.name}={path.stem}"] for path in sorted((CONF / "module").glob("*/*.yaml"))),
], ids=" ".join)  # fmt: skip
def test_each_target_has_only_real_parameters(overrides):
    found = nodes(composed("train", *overrides))
    assert len(found) >= 5
    for node in found:
        assert not unknown({key for key in node if not key.startswith("_")}, get_object(node._target_))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_composes(command):
    assert composed(command)
