"""Figures and report.html of a run again, or one figure: ``python -m explainsal.report run=... figure=usage``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from explainsal.errors import UserError
from explainsal.explanation.presets import BANKS
from explainsal.reporting.html import write_report
from explainsal.reporting.pooling import pool_runs
from explainsal.reporting.results_table import results_tables
from explainsal.reporting.run_figures import write_bank, write_figure, write_figures
from explainsal.reporting.run_folder import read_run
from explainsal.reporting.sweep import write_sweep
from explainsal.reporting.tables import print_results, write_table


def report(cfg: DictConfig) -> list[Path]:
    """Rebuild what `cfg` asks for, and return the paths of the files."""
    if cfg.get("dashboard") is not None:
        return publish_dashboard(cfg.dashboard)
    if cfg.get("sweep_dir") is not None:
        return write_sweep(Path(cfg.sweep_dir))
    if cfg.bank is not None:
        return write_bank(cfg.bank, Path(cfg.run) / "figures" if cfg.run else Path.cwd())
    if cfg.figure == "bank" and cfg.run is None:
        return [path for bank in BANKS for path in write_bank(bank, Path.cwd())]
    if cfg.get("pool") is not None:
        print_results(pool_runs(Path(cfg.pool)))
        return [Path(cfg.pool) / "results.csv", Path(cfg.pool) / "per_image.parquet"]
    if cfg.run is None:
        raise UserError(f"which run? Give run={newest_run(Path(cfg.paths.outputs)) or 'outputs/<date>/<time>'}")
    run = read_run(cfg.run)
    if cfg.figure is not None:
        return write_figure(run, cfg.figure, preset=cfg.preset)
    written = write_figures(cfg.run)
    if run.results is not None:
        print_results(run.results)
        written.append(write_table(results_tables(run.results), run.folder / "figures" / "results.csv"))
    return [*written, write_report(cfg.run)]


def publish_dashboard(project: str) -> list[Path]:
    """Save the W&B dashboard of ``ENTITY/PROJECT``; its definition is written beside, also where W&B refuses."""
    from explainsal.tracking.dashboard.workspace import build_workspace, publish_workspace, write_workspace

    workspace = build_workspace(project)
    path = write_workspace(workspace, Path.cwd() / "dashboard.json")
    print(f"the dashboard's definition: {path}")
    print(publish_workspace(workspace))
    return [path]


def newest_run(outputs: Path) -> Path | None:
    """The run in ``outputs/<date>/<time>`` that was started last, or None."""
    return max((path.parent for path in outputs.glob("*/*/environment.json")), default=None)
