"""Saliency maps of pictures, as files: ``python -m explainsal.predict checkpoint=... image=folder``.

``python -m explainsal.predict model=... data=mit300 submission=tuebingen`` writes what the benchmark takes.
"""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import RESUMED, command
from explainsal.workflows.prediction import predict


@command("predict", interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    predict(cfg)


if __name__ == "__main__":
    main()
