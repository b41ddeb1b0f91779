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

SHOWN = 20  # maximum number of damaged files in a message


@dataclass(frozen=True)
class FetchOptions:
    """Options for fetching files.

    Args:
        download: Whether to fetch missing files; otherwise existing files are only checked.
        mirror: URL of a folder with the same files, used instead of the published addresses.
        verify: Whether files must have their published checksum.
    """

    download: bool = True
    mirror: str | None = None
    verify: bool = True


def prepare(datamodule: SaliencyDataModule, fetching: FetchOptions, *, decode: bool = False) -> list[SplitCheck]:
    """Fetch missing files of a data set, index every split, and print its counts next to the published ones.

    Args:
        decode: Whether to read every picture and map once, to find damaged ones.

    Raises:
        MissingFilesError: If a file must be fetched by hand; the message says how.
        CorruptFileError: If files are damaged; the message names them.
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
    """Prepare a data set, then write every split as pysaliency's HDF5 files, each into its own folder.

    Args:
        decode: Whether to read every picture and map once, to find damaged ones.
        pictures: Whether the files hold the pictures themselves.

    Raises:
        UserError: If `folder` is None, or :func:`prepare` raises.
    """
    if folder is None:
        raise UserError("which target folder? Give to=FOLDER")
    checks = prepare(datamodule, fetching, decode=decode)
    for dataset in _datasets(datamodule):
        files = export_dataset(dataset, Path(folder) / dataset.split, pictures=pictures)
        print(f"for pysaliency: {' and '.join(map(str, files))}")
    return checks


def fetch_missing(datamodule: SaliencyDataModule, fetching: FetchOptions) -> list[Fetched]:
    """Fetch the archives that this data module needs with its options."""
    source = datamodule.source
    if source is None:
        return []
    archives = [a for a in source.archives if a.only_for is None or getattr(datamodule, a.only_for[0]) == a.only_for[1]]
    return fetch_archives(source, datamodule.root, archives, mirror=fetching.mirror, verify=fetching.verify)


def diagnose(datamodule: SaliencyDataModule, outputs: Path) -> Diagnosis:
    """Examine every file of a data set, and write a report; damaged or missing files do not stop the examination.

    Args:
        outputs: Folder of all outputs; the report goes into its ``doctor/<data>``.

    Raises:
        MissingFilesError: If the data set does not exist.
    """
    datamodule.reading = replace(datamodule.reading, unreadable="skip", as_recorded=True)
    if datamodule.source is None:  # generated scenes, which are written at first use
        with suppress(UserError):
            datamodule.prepare_data()
    datasets, refused = [], []
    for split in _parts(datamodule):
        try:
            datasets.append(datamodule.dataset(split))
        except UserError as error:
            refused.append(Finding("refused", split, str(error).splitlines()[0]))
    if len({item.text for item in refused}) == 1:  # one fault that affects all parts is reported once
        refused = [replace(refused[0], split="")] if not datasets else refused[:1]
    if not datasets and not datamodule.root.exists():
        raise MissingFilesError(refused[0].text)
    if refused and "all" in datamodule.published:  # the parts name images that were omitted
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
    """Return the published splits, without the one that contains the others."""
    splits = [split for split in datamodule.published if split != "all"]
    return splits or list(datamodule.published)


def print_fetched(datamodule: SaliencyDataModule, fetched: list[Fetched]) -> None:
    """Print which archives were used, which files are still missing, and which archives may be removed."""
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
    """Yield the published splits; a missing one raises only if training or testing needs it."""
    for split in datamodule.published:
        try:
            yield datamodule.dataset(split)
        except MissingFilesError:
            if split in datamodule.needed:
                raise
