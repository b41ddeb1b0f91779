"""Fetch, check and index a data set, or published weights, before use: ``python -m explainsal.prepare data=...``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from explainsal.app.cli import RESUMED, command

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from explainsal.data.checks import SplitCheck
    from explainsal.data.doctor.examine import Diagnosis


EXAMPLES = (
    "data=osie",
    "data=salicon decode=true",
    "data=folder data.root=MYDATA doctor=true",
    "model=unisal weights=published",
    "data=mit1003 pysaliency=FOLDER",
)


def prepare(cfg: DictConfig) -> list[SplitCheck] | Diagnosis | Path:
    """Fetch and check the weights of ``cfg.model``, or examine, or fetch and check the data of ``cfg.data``."""
    from explainsal.app.build import build_datamodule, find_network_name
    from explainsal.app.options import build_fetching
    from explainsal.workflows import preparation
    from explainsal.workflows.published_weights import prepare_weights

    if cfg.get("model"):
        network, folder, mirror = find_network_name(cfg.model), Path(cfg.paths.weights), cfg.mirror
        return prepare_weights(network, cfg.weights, folder, mirror=mirror, verify=cfg.verify, fetch=cfg.download)
    datamodule = build_datamodule(cfg)
    if cfg.doctor:
        return preparation.diagnose(datamodule, Path(cfg.paths.outputs))
    to = None if cfg.pysaliency is None else Path(cfg.pysaliency)
    fetching = build_fetching(cfg)
    return preparation.prepare(datamodule, fetching, decode=cfg.decode, pysaliency=to, pictures=cfg.pictures)


@command("prepare", examples=EXAMPLES, interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    prepare(cfg)


if __name__ == "__main__":
    main()
