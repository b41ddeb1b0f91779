"""Explain a trained network: ``python -m explainsal.explain checkpoint=... image=photo.jpg`` (a folder, data=...)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


def explain(cfg: DictConfig) -> Path:
    """Explain the network of ``cfg`` on pictures, or on a data set with its scores; return the folder."""
    from explainsal.app import build
    from explainsal.app.options import build_evaluation
    from explainsal.app.runs import open_run
    from explainsal.workflows import explaining
    from explainsal.workflows.loading import PACKAGED

    with open_run(cfg, "explain") as run:
        options = build_evaluation(cfg)
        explainer = build.build_explainer(cfg)
        build.seed_everything(cfg)
        datamodule = build.build_datamodule(cfg)
        datamodule.prepare_data()
        return explaining.explain(build.build_network(cfg, PACKAGED), datamodule, run, options, explainer)


@command("explain")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    explain(cfg)


if __name__ == "__main__":
    main()
