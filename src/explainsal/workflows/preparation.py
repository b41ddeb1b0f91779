"""Fetch, check and index a data set before use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from explainsal.data.archives import Fetched, fetch_archives
from explainsal.data.checks import SplitCheck, check_split
from explainsal.data.dataset import SaliencyDataset
from explainsal.data.doctor.examine import Diagnosis, examine
from explainsal.data.doctor.finding import Finding
from explainsal.data.pysaliency_export import export_dataset
from explainsal.datamodules.base import SaliencyDataModule
from explainsal.errors import CorruptFileError, MissingFilesError, UserError, printable
from explainsal.fetch.disk import human
from explainsal.reporting.doctor import write_doctor

SHOWN = 20  # damaged files that are named


@dataclass(frozen=True)
class FetchOptions:
    """How files are fetched.

    Args:
        download: False: check what is there, fetch nothing.
        mirror: Address of a folder with the same files, in place of the published addresses.
        verify: False: accept files whose checksum is not the published one.
    """

    download: bool = True
    mirror: str | None = None
    verify: bool = True


def prepare(datamodule: SaliencyDataModule, fetching: FetchOptions, *, decode: bool = False) -> list[SplitCheck]:
    """Fetch missing files of a data set, index every split, print its content beside the published counts.

    Args:
        datamodule: The data set.
        fetching: How files are fetched.
        decode: Read every picture and map once, to find damaged ones.

    Raises:
        MissingFilesError: If something must be fetched by hand; the message says how.
        CorruptFileError: If files are damaged; it names them.
        UserError: If a download fails or the disk is full; finished files are kept.
    """
    if fetching.download:
        print_fetched(datamodule, fetch_missing(datamodule, fetching))
    datamodule.prepare_data()
    checks = [check_split(d, datamodule.source, decode=decode) for d in _datasets(datamodule)]
    print_checks(datamodule, checks)
    damaged = [message for check in checks for message in check.damaged]
    if damaged:
        more = [f"... and {len(damaged) - SHOWN} more"] if len(damaged) > SHOWN else []
        raise CorruptFileError("\n".join([f"{len(damaged)} damaged files:", *damaged[:SHOWN], *more]))
    return checks


def export_pysaliency(
    datamodule: SaliencyDataModule,
    fetching: FetchOptions,
    folder: str | Path | None,
    *,
    decode: bool = False,
    pictures: bool = False,
) -> list[SplitCheck]:
    """Prepare a data set, then write every split as pysaliency's HDF5 files, each into a folder of its own.

    Args:
        datamodule: The data set.
        fetching: How files are fetched.
        folder: Where the files go.
        decode: Read every picture and map once, to find damaged ones.
        pictures: Whether the files hold the pictures themselves.

    Raises:
        UserError: If there is no folder; besides, as :func:`prepare`.
    """
    if folder is None:
        raise UserError("where do the files go? Give to=FOLDER")
    checks = prepare(datamodule, fetching, decode=decode)
    for dataset in _datasets(datamodule):
        files = export_dataset(dataset, Path(folder) / dataset.split, pictures=pictures)
        print(f"for pysaliency: {' and '.join(map(str, files))}")
    return checks


def fetch_missing(datamodule: SaliencyDataModule, fetching: FetchOptions) -> list[Fetched]:
    """Fetch the archives that this data module, with its options, reads from."""
    source = datamodule.source
    if source is None:
        return []
    archives = [a for a in source.archives if a.only_for is None or getattr(datamodule, a.only_for[0]) == a.only_for[1]]
    return fetch_archives(source, datamodule.root, archives, mirror=fetching.mirror, verify=fetching.verify)


def diagnose(datamodule: SaliencyDataModule, outputs: Path) -> Diagnosis:
    """Examine every file of a data set and write a page about it; damaged or missing files do not stop it.

    Args:
        datamodule: The data set.
        outputs: The page goes into ``doctor/<data>`` of this folder.

    Raises:
        MissingFilesError: If nothing is there.
    """
    datamodule.reading = replace(datamodule.reading, unreadable="skip", as_recorded=True)
    if datamodule.source is None:  # generated scenes, which are written when they are first asked for
        with suppress(UserError):
            datamodule.prepare_data()
    datasets, refused = [], []
    for split in _parts(datamodule):
        try:
            datasets.append(datamodule.dataset(split))
        except UserError as error:
            refused.append(Finding("refused", split, str(error).splitlines()[0]))
    if len({item.text for item in refused}) == 1:  # one fault in the file of all: said once
        refused = [replace(refused[0], split="")] if not datasets else refused[:1]
    if not datasets and not datamodule.root.exists():
        raise MissingFilesError(refused[0].text)
    if refused and "all" in datamodule.published:  # the parts name images that had to be left out
        with suppress(UserError):
            datasets = [datamodule.dataset("all")]
    diagnosis = examine(datamodule.root, datasets, [r for r in refused if r.split in datamodule.needed or not datasets])
    title = f"{datamodule.name} in {datamodule.root}"
    page = write_doctor(outputs / "doctor" / datamodule.name, title, diagnosis)
    for item in diagnosis.findings:
        Console().print(printable(str(item)), style="yellow", markup=False, highlight=False)
    print(f"{title}: {len(diagnosis.findings)} findings" if diagnosis.findings else f"{title}: nothing is wrong")
    print(f"report: {page}")
    return diagnosis


def _parts(datamodule: SaliencyDataModule) -> list[str]:
    """The published splits, without the one that contains the others."""
    splits = [split for split in datamodule.published if split != "all"]
    return splits or list(datamodule.published)


def print_fetched(datamodule: SaliencyDataModule, fetched: list[Fetched]) -> None:
    """Say which archives were used, what is still missing of them, and what may be removed."""
    for part in fetched:
        if part.file is not None:
            print(f"{part.archive.content}: {part.files - part.found:,} of {part.files:,} files unpacked")
        if part.files < part.archive.files:
            print(f"{part.archive.content}: {part.files:,} files, published {part.archive.files:,}")
    archives = [part.file for part in fetched if part.file is not None and part.file.parent == datamodule.root]
    if archives:
        size = human(sum(path.stat().st_size for path in archives))
        print(f"no longer needed ({size}): {', '.join(map(str, archives))}")


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
    for split in datamodule.published:
        try:
            yield datamodule.dataset(split)
        except MissingFilesError:
            if split in datamodule.needed:
                raise
