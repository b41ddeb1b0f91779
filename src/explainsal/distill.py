"""The explainable model that needs no network: ``python -m explainsal.distill checkpoint=... data=...``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.distilling import distill


@command("distill")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    distill(cfg)


if __name__ == "__main__":
    main()
