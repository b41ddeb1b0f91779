"""Fetch, check and index a data set, or published weights, before use: ``python -m explainsal.prepare data=...``."""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from explainsal.app.cli import RESUMED, command
from explainsal.workflows.preparation import diagnose, prepare
from explainsal.workflows.published_weights import prepare_weights


@command("prepare", interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    if cfg.get("model"):
        network, folder = cfg.model._target_.split(".")[-2], Path(cfg.paths.weights)
        prepare_weights(network, cfg.weights, folder, mirror=cfg.mirror, verify=cfg.verify, fetch=cfg.download)
    elif cfg.doctor:
        diagnose(cfg)
    else:
        prepare(cfg)


if __name__ == "__main__":
    main()
