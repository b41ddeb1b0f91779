"""Every sweep and launcher composes with its command, and what a sweep varies are real options of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import MissingConfigException

from explainsal.app.build import build_explanation
from explainsal.app.cli import conf_dir
from explainsal.app.messages import describe_error

CONF = Path(conf_dir())
ROOT = Path(__file__).resolve().parents[1]
COMMAND = {"bank": "explain", "search": "explain", "training": "train", "search_training": "train", "grid": "explain"}
PLUGIN = {"joblib": "joblib", "submitit_local": "submitit", "submitit_slurm": "submitit", "ray": "ray"}


def composed(command: str, *overrides: str):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(command, overrides=list(overrides), return_hydra_config=True)


def values(words: str) -> list[str]:
    """The ends of what a sweep varies a parameter over."""
    (override,) = OverridesParser.create().parse_overrides([f"x={words}"])
    if override.is_interval_sweep():
        return [str(override.value().start), str(override.value().end)]
    found = list(override.sweep_string_iterator())
    return [found[0], found[-1]]


def test_every_sweep_is_tested():
    assert {path.stem for path in (CONF / "sweep").glob("*.yaml")} == set(COMMAND)
    assert {path.stem for path in (CONF / "launcher").glob("*.yaml")} == set(PLUGIN)


@pytest.mark.parametrize("name", COMMAND)
def test_a_sweep_varies_options_that_its_command_has(name):
    hydra = composed(COMMAND[name], f"+sweep={name}").hydra
    assert hydra.callbacks.sweep._target_ == "explainsal.app.sweeps.SweepFolder"
    assert "job_key" in hydra.sweep._get_node("subdir")._value()
    assert hydra.sweeper._target_.startswith(
        "hydra_plugins.explainsal_search" if "search" in name else "hydra._internal"
    )
    params = hydra.sweeper.params or {}
    assert bool(params) == (name != "grid")
    for end in (0, 1):
        chosen = {key: values(str(words))[end] for key, words in params.items()}
        cfg = composed(COMMAND[name], f"+sweep={name}", *(f"{key}={value}" for key, value in chosen.items()))
        if COMMAND[name] == "explain" and params:
            cfg.paths.output = "nowhere"
            options = build_explanation(cfg).options
            assert options["pool_size"] == int(chosen["explainer.pool_size"])
            assert options["bank"]["n_orientations"] == int(chosen["bank.n_orientations"])


@pytest.mark.parametrize(("name", "target"), [
    ("joblib", "JoblibLauncher"), ("submitit_local", "LocalLauncher"), ("submitit_slurm", "SlurmLauncher"),
    ("ray", "RayLauncher"),
])  # fmt: skip
def test_a_launcher_composes_with_a_sweep(name, target):
    extra = PLUGIN[name]
    if importlib.util.find_spec(f"hydra_plugins.hydra_{extra}_launcher") is None:
        pytest.skip(f'hydra/launcher={extra} is not installed: pip install "explainsal[{extra}]"')
    launcher = composed("explain", "+sweep=bank", f"+launcher={name}").hydra.launcher
    assert launcher._target_.endswith(target)
    own = yaml.safe_load((CONF / "launcher" / f"{name}.yaml").read_text())["hydra"]["launcher"]
    assert own.items() <= yaml.safe_load(yaml.safe_dump(_plain(launcher))).items()


def _plain(node):
    from omegaconf import OmegaConf

    return OmegaConf.to_container(node, resolve=False, enum_to_str=True)


def test_a_launcher_that_is_not_installed_says_how_to_get_it():
    if importlib.util.find_spec("hydra_plugins.hydra_ray_launcher") is not None:
        pytest.skip("the launcher of Ray is installed here")
    with pytest.raises(MissingConfigException) as caught:
        composed("explain", "+sweep=bank", "+launcher=ray")
    assert describe_error(caught.value, CONF) == 'hydra/launcher=ray is not installed: pip install "explainsal[ray]"'


def test_the_sweep_of_wandb_calls_the_same_command_with_options_that_it_has(monkeypatch):
    utils = pytest.importorskip("wandb.sdk.launch.sweeps.utils", reason='pip install "explainsal[wandb]"')
    monkeypatch.setenv("WANDB_RUN_ID", "abc123")
    given = utils.load_sweep_config(str(ROOT / "experiments" / "sweeps" / "wandb.yaml"))
    assert set(given) <= {"program", "method", "metric", "run_cap", "command", "parameters"}
    assert given["metric"]["name"].startswith("explanation/")
    for end in ("min", "max"):
        args = {key: {"value": p[end] if end in p else p["values"][0]} for key, p in given["parameters"].items()}
        made = {
            "program": [given["program"]],
            "env": ["/usr/bin/env"],
            **utils.create_sweep_command_args({"args": args}),
        }
        words: list[str] = []
        for word in utils.create_sweep_command(list(given["command"])):
            words += made[word[2:-1]] if word.startswith("${") and word.endswith("}") else [word]
        assert words[:4] == ["/usr/bin/env", "python", "-m", "explainsal.explain"]
        cfg = composed("explain", *words[4:])
        assert cfg.hydra.run.dir == "outputs/wandb/abc123"
        assert cfg.logger.wandb.project == "explainsal"
        assert cfg.bank.n_wavelengths == args["bank.n_wavelengths"]["value"]
