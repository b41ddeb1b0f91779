"""A parsed fixation table is kept on disk until one of the files that it was parsed from changes."""

from __future__ import annotations

import hashlib
import logging
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from explainsal.data.fixation_table import FixationTable
from explainsal.errors import MissingFilesError
from explainsal.fetch.writing import replaced_file

FORMAT = 3  # raise it when the meaning of a stored table changes: older files are then rebuilt

log = logging.getLogger(__name__)


def cached_table(
    name: str,
    root: Path,
    sources: Iterable[str | Path],
    build: Callable[[], FixationTable],
    *,
    folder: Path | None = None,
) -> FixationTable:
    """The table called `name` of the data set at `root`, from the cache or newly built.

    The file is written under a temporary name and moved into place, so a process that is killed leaves the old
    file or none, and of two processes that build at once the last one wins with the same content.

    Args:
        name: Distinguishes the tables of one data set, e.g. ``salicon-2017-train``.
        root: Folder of the data set.
        sources: The files that the table depends on; name, size or time of any of them changing rebuilds it.
        build: Parses the files.
        folder: Where to keep it, in a folder per `root`; by default ``.explainsal`` beside the data, or, where the
            data are read-only, ``$XDG_CACHE_HOME/explainsal`` (``~/.cache/explainsal``).
    """
    folder = cache_folder(root, folder)
    path = folder / f"{name}-{fingerprint(sources)}.npz"
    if path.is_file():
        try:
            return FixationTable.load(path)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("cannot read the cached fixations %s (%s): parsing them again", path, error)
    table = build()
    try:
        _write(table, path, stale=f"{name}-*.npz")
    except OSError as error:  # a full or read-only disk costs time at the next start, nothing else
        log.warning("cannot keep the parsed fixations in %s (%s): they will be parsed at every start", folder, error)
    return table


def fingerprint(sources: Iterable[str | Path]) -> str:
    """Sixteen hexadecimal digits over the names, sizes and modification times of some files.

    Raises:
        MissingFilesError: If one of them is not there.
    """
    digest = hashlib.blake2b(str(FORMAT).encode(), digest_size=8)
    for path in sorted(str(source) for source in sources):
        try:
            stat = os.stat(path)
        except FileNotFoundError as error:
            raise MissingFilesError(f"no such file: {path}") from error
        digest.update(
            f"{os.path.basename(path)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()


def cache_folder(root: Path, folder: Path | None = None) -> Path:
    """Where what is derived from the data set at `root` is kept; see `cached_table`."""
    return Path(folder) / _hash_of(root) if folder else _default_folder(root)


def _write(table: FixationTable, path: Path, *, stale: str) -> None:
    old = [other for other in path.parent.glob(stale) if len(other.name) == len(path.name) and other != path]
    with replaced_file(path) as temporary:
        table.save(temporary)
    for other in old:
        other.unlink(missing_ok=True)


def _default_folder(root: Path) -> Path:
    beside = root / ".explainsal"
    place = beside if beside.is_dir() else root
    marked_writable = place.stat().st_mode & 0o222  # root may write anywhere; a folder marked read-only stays as it is
    if marked_writable and os.access(place, os.W_OK):
        return beside
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "explainsal" / _hash_of(root)


def _hash_of(root: Path) -> str:
    return hashlib.blake2b(str(root.resolve()).encode(), digest_size=8).hexdigest()
