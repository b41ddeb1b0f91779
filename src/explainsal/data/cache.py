"""A parsed fixation table is kept on disk until one of the files that it was parsed from changes."""

from __future__ import annotations

import logging
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from explainsal.data.fixation_table import FixationTable
from explainsal.fetch.fingerprints import fingerprint, fingerprint_files
from explainsal.fetch.writing import replaced_file

FORMAT = 3  # raise it when the meaning of a stored table changes: older files are then rebuilt

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
    """The table called `name` of the data set at `root`, from the cache or newly built.

    Args:
        name: Distinguishes the tables of one data set, e.g. ``salicon-2017-train``.
        root: Folder of the data set.
        sources: The files that the table depends on; name, size or time of any of them changing rebuilds it.
        build: Parses the files.
        folder: Where to keep it, in a folder per `root`; by default ``.explainsal`` beside the data, or, where the
            data are read-only, ``$XDG_CACHE_HOME/explainsal`` (``~/.cache/explainsal``).
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
    """Return what the file ``<name>-<key>.npz`` in `folder` holds; build and keep it if there is none.

    Files of the same name with another key are removed. A damaged file is built again. Where the disk is full or
    read-only, nothing is kept, and a warning says so.

    Args:
        folder: Where the file is kept.
        name: Distinguishes the files of a folder.
        key: Fingerprint of everything that decides the content.
        build: Makes the content.
        read: Reads it from a file.
        write: Writes it into a file.
    """
    path = folder / f"{name}-{key}.npz"
    if path.is_file():
        try:
            return read(path)
        except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
            log.warning("cannot read the cache %s (%s): building it again", path, error)
    content = build()
    stale = [other for other in folder.glob(f"{name}-{'?' * len(key)}.npz") if other != path]
    try:
        with replaced_file(path) as temporary:
            write(content, temporary)
        for other in stale:
            other.unlink(missing_ok=True)
    except OSError as error:  # costs time at the next start, nothing else
        log.warning("cannot keep %s (%s): it will be built at every start", path, error)
    return content


def cache_folder(root: Path, folder: Path | None = None) -> Path:
    """Where what is derived from the data set at `root` is kept; see `cached_table`."""
    return Path(folder) / fingerprint(str(root.resolve())) if folder else _default_folder(root)


def _default_folder(root: Path) -> Path:
    beside = root / ".explainsal"
    place = beside if beside.is_dir() else root
    marked_writable = place.stat().st_mode & 0o222  # root may write anywhere; a folder marked read-only stays as it is
    if marked_writable and os.access(place, os.W_OK):
        return beside
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "explainsal" / fingerprint(str(root.resolve()))
