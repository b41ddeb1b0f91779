"""The results table of a model or of maps made elsewhere: ``python -m explainsal.evaluate checkpoint=...``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.evaluation import evaluate


@command("evaluate")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    evaluate(cfg)


if __name__ == "__main__":
    main()
