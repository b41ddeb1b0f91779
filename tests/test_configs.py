"""Every choice in conf/ composes, names a module of its group, and passes only parameters that exist."""

import inspect
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object

from explainsal.cli import conf_dir

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


@pytest.mark.parametrize(("group", "name"), CHOICES)
def test_each_choice_names_its_module(group, name):
    node = composed("train", f"{group}={name}")[group]
    assert node._target_.startswith(f"{PACKAGE[group]}.{name}.")


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
        parameters = {key: None for key in node if not key.startswith("_")}
        inspect.signature(get_object(node._target_)).bind_partial(**parameters)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_composes(command):
    assert composed(command)
