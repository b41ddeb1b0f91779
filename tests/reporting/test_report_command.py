from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf
from tests.commands import run
from tests.reporting.fake_sweep import fake_job

from explainsal.app.cli import conf_dir
from explainsal.errors import UserError
from explainsal.explanation.presets import BANKS
from explainsal.report import report
from explainsal.reporting.run_figures import write_bank
from explainsal.workflows.reports import newest_run


def config(**values: object) -> DictConfig:
    return OmegaConf.create(
        dict.fromkeys(("run", "figure", "preset", "bank_name", "project"))
        | {"mode": "run", "paths": {"outputs": "outputs"}}
        | values
    )


def test_one_figure_or_everything(own_run: Path) -> None:
    assert [path.name for path in report(config(mode="figure", run=str(own_run), figure="curves"))] == [
        "curves.png",
        "curves.pdf",
    ]
    everything = report(config(run=str(own_run)))
    assert everything[-1] == own_run / "report.html"
    assert all(path.is_file() for path in everything)
    stems = ["curves", "strips", "layers", "usage_sparse", "bank_sparse"]
    figures = {path.name for path in everything if path.parent.name == "figures"}
    assert figures == {f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf")} | {"results.csv"}
    assert all(path.read_bytes().startswith(b"%PDF") for path in everything if path.suffix == ".pdf")


def test_banks_need_no_run_and_land_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw(name: str, folder: Path) -> list[Path]:
        drawn.append(name)
        return write_bank(name, folder) if name == "kovesi" else []

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("explainsal.workflows.reports.write_bank", draw)
    assert report(config(mode="bank")) == [tmp_path / "bank_kovesi.png", tmp_path / "bank_kovesi.pdf"]
    assert drawn == list(BANKS)
    report(config(mode="bank", bank_name="paper"))
    assert drawn == [*BANKS, "paper"]


def test_without_a_run_the_newest_is_proposed(own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the checkout may hold other runs
    with pytest.raises(UserError, match=r"run=outputs/<date>/<time>"):
        report(config())
    for name in ("2026-11-22/23-00-00", "2026-11-23/06-00-00", "2026-11-23/05-00-00"):
        shutil.copytree(own_run, tmp_path / "outputs" / name)
    assert newest_run(tmp_path / "outputs") == tmp_path / "outputs/2026-11-23/06-00-00"
    with pytest.raises(UserError, match="run=outputs/2026-11-23/06-00-00"):
        report(config())


def test_the_command_writes_into_the_run_and_nowhere_else(own_run: Path, tmp_path: Path) -> None:
    before = set(own_run.rglob("*"))
    done = run(tmp_path, "report", "mode=figure", f"run={own_run}", "figure=layers")
    assert done.stdout.split() == [str(own_run / "figures" / f"layers.{kind}") for kind in ("png", "pdf")]
    assert {path.name for path in set(own_run.rglob("*")) - before} == {"figures", "layers.png", "layers.pdf"}
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["run"]  # the lock of a folder is hidden


def test_what_cannot_be_drawn_is_said_in_one_message(own_run: Path, tmp_path: Path) -> None:
    (own_run / "results.csv").write_text("model,metric,mean,low,high\ndeep,cc,0.6,0.5,0.")
    done = run(tmp_path, "report", f"run={own_run}", code=2)
    assert "results.csv is cut short" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_is_summed_up_again(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    fake_job(tmp_path / "x", 0.8, "explainer.top_k=5")
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        cfg = compose("report", overrides=["mode=sweep", f"run={tmp_path}"])
    assert report(cfg) == [tmp_path / "sweep.csv"]
    assert "1 of 1 jobs done" in capsys.readouterr().out


@pytest.mark.parametrize(("values", "message"), [
    ({"mode": "fold"}, "mode=fold does not exist. Choose one of run, figure, bank, sweep, folds, dashboard"),
    ({"mode": "figure", "run": "."}, "which figure.*curves"),
    ({"mode": "dashboard"}, "project=ENTITY/PROJECT"),
    ({"mode": "sweep"}, "which run"),
])  # fmt: skip
def test_a_mode_says_what_it_needs(values: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        report(config(**values))
