"""Explain a trained network: ``python -m explainsal.explain checkpoint=... image=photo.jpg`` (a folder, data=...)."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.explaining import explain


@command("explain")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    explain(cfg)


if __name__ == "__main__":
    main()
