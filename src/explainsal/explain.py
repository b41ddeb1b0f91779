"""Explain a trained network on pictures or a data set: ``python -m explainsal.explain image=photo.jpg``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "image=photo.jpg",
    "image=FOLDER model=unisal weights=published",
    "checkpoint=outputs/DATE/TIME/checkpoints/best.ckpt data=osie",
    "image=photo.jpg explainer=paper bank=octave bank.n_orientations=8",
    "data=osie evaluation.explain_images=20 nulls=[shuffled_filters]",
)


def explain(cfg: DictConfig) -> Path:
    """Explain the network of ``cfg`` on pictures, or on a data set with scores; return the output folder."""
    import torch

    from explainsal.app import build
    from explainsal.app.options import build_evaluation
    from explainsal.app.runs import open_run
    from explainsal.workflows import explaining
    from explainsal.workflows.loading import PACKAGED

    with open_run(cfg, "explain") as run:
        options = build_evaluation(cfg)
        explanation = build.build_explanation(cfg)
        pictures = build.build_pictures(cfg)
        if pictures is None:
            from explainsal.app.explaining import explain_data  # needs Lightning, which takes seconds to import

            return explain_data(cfg, run, options, explanation)
        build.warn_of_one_process(cfg, "explaining pictures without fixations")
        torch.manual_seed(cfg.seed)  # for a network without trained weights
        network = build.build_network(cfg, PACKAGED)
        return explaining.explain(network, pictures, run, options, explanation)


@command("explain", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    explain(cfg)


if __name__ == "__main__":
    main()
