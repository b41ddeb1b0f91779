"""The search under Hydra: it improves on several objectives, goes on where it stopped, and repeats what failed."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
import pytest
from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser

import explainsal.app.sweeps  # noqa: F401 (its resolver ${job_key:})
from explainsal.app.cli import conf_dir
from explainsal.errors import UserError

optuna = pytest.importorskip("optuna", reason='the search needs Optuna: pip install "explainsal[search]"')

from hydra_plugins.explainsal_search.space import search_space  # noqa: E402
from hydra_plugins.explainsal_search.sweeper import journal  # noqa: E402

CONFIG = """
defaults:
  - _self_
  - override hydra/sweeper: search
  - override hydra/job_logging: none
  - override hydra/hydra_logging: none
x: 0.0
kind: plain
hydra:
  searchpath: ["file://{conf}"]
  sweep: {{dir: "{folder}/sweep", subdir: "${{job_key:}}"}}
  sweeper:
    objectives: {{good: maximize, cost: minimize}}
    n_trials: 4
    params: {{x: "interval(-4.0,4.0)"}}
"""


class App:
    """A command with one parameter; `crash` may fail it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch, self.jobs, self.crash = folder, monkeypatch, [], lambda cfg: None
        (folder / "app.yaml").write_text(CONFIG.format(conf=conf_dir(), folder=folder))
        monkeypatch.setenv("HYDRA_FULL_ERROR", "1")

    def __call__(self, *arguments: str) -> None:
        """Run the command with -m."""

        def task(cfg):
            self.jobs.append(float(cfg.x))
            self.crash(cfg)
            return {"good": -((cfg.x - 1) ** 2), "cost": abs(cfg.x), "other": 7.0}

        self.patch.setattr(sys, "argv", ["app", "-m", *arguments])
        hydra.main(version_base="1.3", config_path=str(self.folder), config_name="app")(task)()

    def trials(self, state: str = "COMPLETE") -> list:
        storage = journal(self.folder / "sweep")
        studies = optuna.get_all_study_names(storage)
        found = [optuna.load_study(study_name=name, storage=storage) for name in studies]
        return [t for study in found for t in study.get_trials(states=[optuna.trial.TrialState[state]])]


@pytest.fixture
def app(tmp_path, monkeypatch):
    return App(tmp_path, monkeypatch)


def test_the_same_command_goes_on_and_never_starts_again(app, capsys):
    app()
    first = list(app.jobs)
    assert len(first) == 4
    app()
    assert app.jobs == first
    assert "0 of 4 trials to go" in capsys.readouterr().out
    app("hydra.sweeper.n_trials=6")
    assert app.jobs[:4] == first
    assert len(set(app.jobs)) == 6  # a sampler seeded again would give the first ones twice
    assert [trial.values for trial in app.trials()] == [[-((x - 1) ** 2), abs(x)] for x in app.jobs]


def test_a_seed_gives_the_same_search(app, tmp_path, monkeypatch):
    runs = []
    for seed in (0, 0, 1):
        app("hydra.sweeper.n_trials=2", f"hydra.sweeper.seed={seed}", f"hydra.sweep.dir={tmp_path}/{len(runs)}")
        runs.append(app.jobs[-2:])
    assert runs[0] == runs[1] != runs[2]


def test_a_trial_that_fails_ends_nothing_and_is_repeated(app):
    def crash(cfg):
        if len(app.jobs) == 2:
            raise ValueError("out of memory")

    app.crash = crash
    with pytest.raises(ValueError, match="out of memory"):
        app()
    assert len(app.jobs) == 4
    failed = app.jobs[1]
    assert [trial.params["x"] for trial in app.trials("FAIL")] == [failed]
    app()
    assert app.jobs[4:] == [failed]
    assert len(app.trials()) == 4


def test_a_search_that_was_cut_off_repeats_the_trial_it_was_at(app):
    def stop(cfg):
        if len(app.jobs) == 3:
            raise KeyboardInterrupt

    app.crash = stop
    with pytest.raises(KeyboardInterrupt):
        app()
    app()
    assert app.jobs[3] == app.jobs[2]
    assert len(app.trials()) == 4


def test_equal_trials_of_a_batch_run_once(app):
    app("x=choice(1.0,2.0)", "hydra.sweeper.n_jobs=4")
    assert len(app.jobs) == len(set(app.jobs)) <= 2
    assert len(app.trials()) == 4


def test_another_configuration_is_another_search(app):
    app("hydra.sweeper.n_trials=1")
    app("hydra.sweeper.n_trials=1", "kind=other")
    assert len(app.jobs) == 2


@pytest.mark.slow
def test_it_learns_where_the_front_is(app):
    app("hydra.sweeper.n_trials=24")
    on_front = [0 <= x <= 1 for x in app.jobs[10:]]  # Optuna's TPE draws 10 at random first
    assert sum(on_front) >= 2 * len(on_front) / 8  # an eighth of the range is the front


@pytest.mark.parametrize(("arguments", "message"), [
    (["hydra.sweeper.objectives={gain:maximize}"], "no job measures .*gain.*there are good, cost, other"),
    (["hydra.sweeper.objectives={good:up}"], "up is neither maximize nor minimize"),
    (["hydra.sweeper.sampler=Oracle"], "no such class"),
    (["x=1"], "nothing to search"),
])  # fmt: skip
def test_what_is_wrong_is_said(app, arguments, message):
    if "gain" in arguments[0]:
        arguments = ["~hydra.sweeper.objectives", f"+{arguments[0]}"]
    with pytest.raises(Exception, match=message):
        app(*arguments)


def test_two_searches_in_one_folder_are_refused(app, tmp_path):
    (tmp_path / "sweep").mkdir()
    with FileLock(tmp_path / "sweep/search.lock"), pytest.raises(UserError, match="another search works in"):
        app()
    assert app.jobs == []


@pytest.mark.parametrize(("words", "low", "high", "step", "log"), [
    ("range(3,9)", 3, 8, 1, False), ("range(2,10,3)", 2, 8, 3, False), ("interval(3,9)", 3, 9, None, False),
    ("interval(1.5,3)", 1.5, 3, None, False), ("tag(log,interval(1e-4,1e-2))", 1e-4, 1e-2, None, True),
])  # fmt: skip
def test_ranges_mean_what_they_mean_to_hydra(words, low, high, step, log):
    space, fixed = search_space(OverridesParser.create().parse_overrides([f"a.b={words}", "seed=3"]))
    found = space["a.b"]
    assert (found.low, found.high, found.step, found.log) == (low, high, step, log)
    assert fixed == ["seed=3"]


def test_choices_are_as_they_are_spelled_and_the_command_line_comes_last():
    given = [
        "scales=choice([1],[2,1,0.5])",
        "bank=choice(paper,octave)",
        "bank=kovesi,octave",
        "top_k=range(1,5)",
        "top_k=3",
    ]
    space, fixed = search_space(OverridesParser.create().parse_overrides(given))
    assert {name: found.choices for name, found in space.items()} == {
        "scales": ("[1]", "[2,1,0.5]"), "bank": ("kovesi", "octave"),
    }  # fmt: skip
    assert fixed == ["top_k=3"]
