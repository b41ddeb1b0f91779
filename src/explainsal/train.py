"""Train a saliency network, then evaluate and explain its best checkpoint: ``python -m explainsal.train``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.training import train


@command("train")
def main(cfg: DictConfig) -> dict[str, float]:
    """Entry point."""
    return train(cfg)


if __name__ == "__main__":
    main()
