"""Rebuild the figures and report of a run, or one figure: ``python -m explainsal.report run=FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "run=outputs/DATE/TIME",
    "mode=figure run=outputs/DATE/TIME figure=usage preset=sparse",
    "mode=sweep run=outputs/multirun/explain-bank",
    "mode=folds run=outputs/multirun/DATE/TIME",
    "mode=bank bank_name=octave",
)


def report(cfg: DictConfig) -> list[Path]:
    """Write the files of the mode ``cfg.mode``; return their paths."""
    from explainsal.app.modes import run_mode
    from explainsal.reporting.sweep import write_sweep
    from explainsal.workflows import reports

    def find_run(cfg: DictConfig) -> Path:
        return reports.require_run(cfg.run, Path(cfg.paths.outputs))

    return run_mode(cfg, {
        "run": lambda cfg: reports.rebuild_report(find_run(cfg)),
        "figure": lambda cfg: reports.rebuild_figure(find_run(cfg), cfg.figure, cfg.preset),
        "bank": lambda cfg: reports.draw_banks(cfg.bank_name, Path.cwd()),
        "sweep": lambda cfg: write_sweep(find_run(cfg)),
        "folds": lambda cfg: reports.pool_folds(find_run(cfg)),
        "dashboard": lambda cfg: reports.publish_dashboard(cfg.project),
    }, {"figure": "figure", "preset": "figure", "bank_name": "bank", "project": "dashboard"})  # fmt: skip


@command("report", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    for path in report(cfg):
        print(path)


if __name__ == "__main__":
    main()
