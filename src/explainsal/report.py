"""Make the figures and report of a run again, or one figure: ``python -m explainsal.report run=... figure=usage``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "run=outputs/DATE/TIME",
    "run=outputs/DATE/TIME figure=usage preset=sparse",
    "sweep_dir=outputs/multirun/explain-bank",
    "pool=outputs/multirun/DATE/TIME",
    "bank_name=octave",
)


def report(cfg: DictConfig) -> list[Path]:
    """Make again what ``cfg`` asks for; return the files."""
    from explainsal.explanation.presets import BANKS
    from explainsal.reporting.sweep import write_sweep
    from explainsal.workflows import reports

    if cfg.get("dashboard") is not None:
        return reports.publish_dashboard(cfg.dashboard)
    if cfg.get("sweep_dir") is not None:
        return write_sweep(Path(cfg.sweep_dir))
    if cfg.bank_name is not None or (cfg.figure == "bank" and cfg.run is None):
        names = [cfg.bank_name] if cfg.bank_name is not None else [*BANKS]
        return reports.draw_banks(names, Path(cfg.run) / "figures" if cfg.run else Path.cwd())
    if cfg.get("pool") is not None:
        return reports.pool_folds(Path(cfg.pool))
    run = reports.require_run(cfg.run, Path(cfg.paths.outputs))
    return reports.rebuild_figure(run, cfg.figure, cfg.preset) if cfg.figure else reports.rebuild_report(run)


@command("report", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    for path in report(cfg):
        print(path)


if __name__ == "__main__":
    main()
