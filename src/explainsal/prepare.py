"""Generate, check and index a data set before it is used: ``python -m explainsal.prepare data=...``."""

from __future__ import annotations

from collections.abc import Iterator

from hydra.utils import instantiate
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from explainsal.cli import command
from explainsal.data.checks import SplitCheck, check_split
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.salicon import SPLITS
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import CorruptFileError, MissingFilesError

SHOWN = 20  # damaged files that are named


def prepare(cfg: DictConfig) -> list[SplitCheck]:
    """Index every split of ``cfg.data``, print what it holds beside what was published.

    Raises:
        MissingFilesError: If a split that training or evaluation needs is missing; the message says how to get it.
        CorruptFileError: If files are damaged; it names them.
    """
    datamodule = instantiate(cfg.data)
    datamodule.prepare_data()
    checks = [check_split(d, datamodule.source, decode=cfg.decode) for d in _datasets(datamodule)]
    print_checks(datamodule, checks)
    damaged = [message for check in checks for message in check.damaged]
    if damaged:
        more = [f"... and {len(damaged) - SHOWN} more"] if len(damaged) > SHOWN else []
        raise CorruptFileError("\n".join([f"{len(damaged)} damaged files:", *damaged[:SHOWN], *more]))
    return checks


def print_checks(datamodule: SaliencyDataModule, checks: list[SplitCheck]) -> None:
    """Print the table of the splits and the remarks below it."""
    release = f", release {datamodule.release}" if datamodule.release else ""
    table = Table(title=f"{datamodule.name}{release} in {datamodule.root}", title_justify="left", min_width=60)
    for column in ("split", "images", "published", "fixations", "published", "H x W, pixels"):
        table.add_column(column, justify="left" if column == "split" else "right")
    for check in checks:
        size = f"{check.sizes[0][0]} x {check.sizes[0][1]}" + (" ..." if len(check.sizes) > 1 else "")
        numbers = (check.images, check.published_images, check.fixations, check.published_fixations)
        table.add_row(check.split, *("-" if n is None else f"{n:,}" for n in numbers), size)
    console = Console()
    console.print(table)
    for check in checks:
        for remark in check.remarks:
            console.print(f"[yellow]{check.split}: {remark}: results are not comparable with published ones[/yellow]")
        if check.unfixated:
            console.print(f"{check.split}: {check.unfixated} images without a fixation")


def _datasets(datamodule: SaliencyDataModule) -> Iterator[SaliencyDataset]:
    """The splits as published; one that no loop needs may be missing."""
    needed = {*datamodule.fit_splits, datamodule.eval_split}
    for split in SPLITS:
        try:
            yield datamodule.dataset(split)
        except MissingFilesError:
            if split in needed:
                raise


@command("prepare")
def main(cfg: DictConfig) -> None:
    """Entry point."""
    prepare(cfg)


if __name__ == "__main__":
    main()
