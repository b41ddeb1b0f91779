"""Cache parsed fixation tables on disk until one of their source files changes."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from explainsal.data.fixation_table import FixationTable
from explainsal.fetch.fingerprints import fingerprint, fingerprint_files
from explainsal.fetch.writing import remove_abandoned, replaced_file

FORMAT = 3  # increase it when the meaning of a stored table changes, so that older files are rebuilt

T = TypeVar("T")
log = logging.getLogger(__name__)


def cached_table(
    name: str,
    root: Path,
    sources: Iterable[str | Path],
    build: Callable[[], FixationTable],
    *,
    folder: Path | None = None,
) -> FixationTable:
    """Return the table `name` of the data set at `root`, from the cache or newly built.

    Args:
        name: Name of the table within its data set, e.g. ``salicon-2017-train``.
        sources: Source files of the table; a change of a file's name, size or time rebuilds the table.
        build: Function that parses the files.
        folder: Cache folder, with one subfolder per `root`; by default ``.explainsal`` next to the data or, if the data
            are read-only, ``$XDG_CACHE_HOME/explainsal`` (``~/.cache/explainsal``).
    """
    key = fingerprint([FORMAT, fingerprint_files(sources)])
    return cached_file(cache_folder(root, folder), name, key, build, FixationTable.load, FixationTable.save)


def cached_file(
    folder: Path,
    name: str,
    key: str,
    build: Callable[[], T],
    read: Callable[[Path], T],
    write: Callable[[T, Path], None],
) -> T:
    """Return the content of ``<name>-<key>.npz`` in `folder`; build and store it if the file is missing.

    Files of the same name with another key are removed. A damaged file is rebuilt. If the disk is full or read-only,
    nothing is stored and a warning is logged.

    Args:
        build: Function that builds the content.
        read: Function that reads it from a file.
        write: Function that writes it to a file.
    """
    path = folder / f"{name}-{key}.npz"
    if path.is_file():
        try:
            return read(path)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("cannot read the cache %s (%s); rebuilding it", path, error)
    content = build()
    stale = [other for other in folder.glob(f"{name}-{'?' * len(key)}.npz") if other != path]
    try:
        remove_abandoned(folder)
        with replaced_file(path) as temporary:
            write(content, temporary)
        for other in stale:
            other.unlink(missing_ok=True)
    except OSError as error:  # only the next start takes longer
        log.warning("cannot cache %s (%s); it will be rebuilt at every start", path, error)
    return content


def cache_folder(root: Path, folder: Path | None = None) -> Path:
    """Return the cache folder of the data set at `root`; see `cached_table`."""
    return Path(folder) / fingerprint(str(root.resolve())) if folder else _default_folder(root)


def _default_folder(root: Path) -> Path:
    own = root / ".explainsal"
    place = own if own.is_dir() else root
    marked_writable = place.stat().st_mode & 0o222  # root may write anywhere; respect read-only folders
    if marked_writable and os.access(place, os.W_OK):
        return own
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "explainsal" / fingerprint(str(root.resolve()))
