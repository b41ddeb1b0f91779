"""A network as a file for other programs: ``python -m explainsal.export checkpoint=best.ckpt format=onnx``."""

from __future__ import annotations

from omegaconf import DictConfig

from explainsal.app.cli import command
from explainsal.workflows.exporting import export


@command("export")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    export(cfg)


if __name__ == "__main__":
    main()
