"""Figures and report.html of a run again, or one figure: ``python -m explainsal.report run=... figure=usage``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.reports import report


@command("report")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    for path in report(cfg):
        print(path)


if __name__ == "__main__":
    main()
