"""Fit an explainable model that needs no network: ``python -m explainsal.distill checkpoint=... data=...``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "checkpoint=outputs/DATE/TIME/checkpoints/best.ckpt data=osie",
    "model=unisal weights=published data=osie images=200",
    "checkpoint=best.ckpt data=osie resume=outputs/DATE/TIME",
    "model=unisal weights=published data=osie refine.epochs=5",
    "checkpoint=graph.ckpt data=osie images=64",
)


def distill(cfg: DictConfig) -> Path:
    """Fit a standalone model to the network of ``cfg``, or write a learned graph as one; return its file."""
    from explainsal.app import build
    from explainsal.app.distilling import build_fit_options, build_sets
    from explainsal.app.runs import open_run
    from explainsal.app.training import seed_everything
    from explainsal.workflows import distilling, freezing

    with open_run(cfg, "distill") as run:
        seed_everything(cfg)
        options, device = build_fit_options(cfg), build.choose_cfg_device(cfg)
        build.warn_of_one_process(cfg, "distilling")
        build.check_model_options(cfg)  # before data are read or generated
        sets = build_sets(cfg)
        network = build.build_network(cfg)
        if freezing.is_graph(network):
            return freezing.freeze_graph(network, sets, run, options, cfg.null_model)
        model = distilling.make_teacher(network, cfg.null_model, seed=cfg.seed, device=device)
        return distilling.distill(model, sets, run, options)


@command("distill", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    distill(cfg)


if __name__ == "__main__":
    main()
