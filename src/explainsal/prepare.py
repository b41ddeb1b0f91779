"""Fetch, check and index a data set, or published weights, before use: ``python -m explainsal.prepare data=...``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import RESUMED, command
from explainsal.workflows.preparation import diagnose, prepare, prepare_weights


@command("prepare", interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    if cfg.get("model"):
        prepare_weights(cfg)
    elif cfg.doctor:
        diagnose(cfg)
    else:
        prepare(cfg)


if __name__ == "__main__":
    main()
