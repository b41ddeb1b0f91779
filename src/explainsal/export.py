"""Export a network as a file for other programs: ``python -m explainsal.export checkpoint=best.ckpt format=onnx``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import command

if TYPE_CHECKING:
    from omegaconf import DictConfig


EXAMPLES = (
    "format=onnx",
    "checkpoint=best.ckpt format=onnx size=[480,640]",
    "model=unisal weights=published format=torch_export",
    "checkpoint=best.ckpt bare=true",
    "checkpoint=best.ckpt to=model.onnx",
)


def export(cfg: DictConfig) -> Path:
    """Write the network of ``cfg`` as one file and check it against the network; return the file."""
    from explainsal.app.build import build_model
    from explainsal.workflows import exporting
    from explainsal.workflows.loading import PACKAGED

    exporting.check_format(cfg.format)
    size = exporting.check_size(cfg.size)
    to = None if cfg.to is None else Path(cfg.to)
    model = build_model(cfg, PACKAGED)
    return exporting.export(model, Path(cfg.paths.output), to=to, format=cfg.format, size=size, bare=cfg.bare)


@command("export", examples=EXAMPLES)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    export(cfg)


if __name__ == "__main__":
    main()
