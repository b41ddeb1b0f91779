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
    "mode=doctor data=folder data.root=MYDATA",
    "model=unisal weights=published",
    "mode=pysaliency data=mit1003 to=FOLDER",
)


def prepare(cfg: DictConfig) -> list[SplitCheck] | Diagnosis | Path:
    """Fetch the weights of ``cfg.model``, or run the mode ``cfg.mode`` on the data of ``cfg.data``."""
    from explainsal.app.build import build_datamodule, check_weights, find_network_name
    from explainsal.app.modes import run_mode
    from explainsal.workflows import preparation
    from explainsal.workflows.published_weights import prepare_weights

    fetching = preparation.FetchOptions(download=cfg.download, mirror=cfg.mirror, verify=cfg.verify)

    def fetch(cfg: DictConfig) -> list[SplitCheck] | Path:
        check_weights(cfg)
        if not cfg.get("model"):
            return preparation.prepare(build_datamodule(cfg), fetching, decode=cfg.decode)
        network, folder, mirror = find_network_name(cfg.model), Path(cfg.paths.weights), cfg.mirror
        return prepare_weights(network, cfg.weights, folder, mirror=mirror, verify=cfg.verify, fetch=cfg.download)

    return run_mode(cfg, {
        "fetch": fetch,
        "doctor": lambda cfg: preparation.diagnose(build_datamodule(cfg), Path(cfg.paths.outputs)),
        "pysaliency": lambda cfg: preparation.export_pysaliency(
            build_datamodule(cfg), fetching, cfg.to, decode=cfg.decode, pictures=cfg.pictures
        ),
    }, {"to": "pysaliency"})  # fmt: skip


@command("prepare", examples=EXAMPLES, interrupted=RESUMED)
def main(cfg: DictConfig) -> None:
    """Entry point."""
    prepare(cfg)


if __name__ == "__main__":
    main()
