"""Fetch and unpack missing files of a published data set; files that are already on disk are used."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from explainsal.data.sources import Archive, Source
from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import full_disk_is_reported, human, require_space
from explainsal.fetch.download import RemoteFile, Retry, download
from explainsal.fetch.locks import locked
from explainsal.fetch.unpack import Pattern, unpack

NOTES = ".explainsal"  # folder below the data root, which also holds the cache

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """Result of fetching one archive.

    Args:
        file: Path of the archive; None if it was not needed.
        found: Number of its files on disk before.
        files: Number of its files on disk now.
    """

    archive: Archive
    file: Path | None
    found: int
    files: int


def fetch_archives(
    source: Source,
    root: Path,
    archives: Sequence[Archive],
    *,
    mirror: str | None = None,
    verify: bool = True,
    retry: Retry | None = None,
) -> list[Fetched]:
    """Fetch and unpack the missing files of every archive into `root`.

    A complete archive is neither fetched nor opened. An archive in `root` or its parent folder, under its own name or a
    browser's name for it, is used instead of a download. Only one process works on a data set at a time; others wait.

    Args:
        root: Folder of the data set; created if needed.
        mirror: URL of a folder with the same file names, used instead of the published addresses.
        verify: Whether files must have their published checksums.

    Raises:
        MissingFilesError: If files must be fetched by hand; the message gives their sources and target paths.
        CorruptFileError: If a file is not the published one.
        UserError: If a download fails or the disk is full.
    """
    states = [_State(archive, root, mirror, verify) for archive in archives]
    if all(state.complete() for state in states):
        return [state.report() for state in states]
    with full_disk_is_reported("preparing the data set", root):
        waiting = f"another process prepares {root}: waiting for it"
        with locked(root / NOTES / "prepare.lock", waiting, wait=True):
            _require_by_hand(source, states)
            _require_space(root, states)
            for state in states:
                state.fetch_and_unpack(retry)
    return [state.report() for state in states]


class _State:
    """An archive and the state of its files on disk."""

    def __init__(self, archive: Archive, root: Path, mirror: str | None, verify: bool) -> None:
        self.archive = archive
        self.root = root
        self.mirror = mirror
        self.verify = verify and bool(archive.md5)
        self.pattern = Pattern(archive.pattern)
        self.note = root / NOTES / f"{archive.file}.json"
        self.found = self.count()
        self.used: Path | None = None
        self._checked: dict[Path, bool] = {}

    def count(self) -> int:
        """Count the files of the archive on disk."""
        return len(self.pattern.files(self.root)) if self.root.is_dir() else 0

    def complete(self) -> bool:
        """Return whether all files of the archive are on disk: as many as were unpacked before, or as published.

        If an archive is on disk that was never fully unpacked, the published count alone is not enough.
        """
        known = self.unpacked_files()
        if known is not None:
            return self.count() >= known
        return self.count() >= self.archive.files and self.find_archive() is None

    def unpacked_files(self) -> int | None:
        """Return how many files an earlier call unpacked from the same or a since removed archive; None if unknown."""
        try:
            note = json.loads(self.note.read_text())
            path = self.root / note["file"]
            same = not path.is_file() or note["version"] == _version(path)
            return int(note["files"]) if same else None
        except (OSError, ValueError, KeyError):
            return None

    def find_archive(self) -> Path | None:
        """Return the path of the archive if it is in one of its possible folders."""
        for name in self.names():
            for folder in (self.root, self.root.absolute().parent):
                path = folder / name
                if path.is_file() and (name == self.archive.file or self.is_published(path)):
                    return path
        return None

    def names(self) -> list[str]:
        """Return the possible file names of the archive, including those of manual downloads."""
        last = Path(unquote(urlsplit(self.archive.address).path)).name
        published = [last] if self.verify and last.endswith(".zip") else []
        return list(dict.fromkeys([self.archive.file, *self.archive.aliases, *published]))

    def is_published(self, path: Path) -> bool:
        """Return whether a file matches the published checksum, or no checksum is to be checked."""
        if path not in self._checked:
            expected = Checksum("md5", self.archive.md5) if self.verify else None
            self._checked[path] = expected is None or expected.of(path) == expected
            if not self._checked[path]:
                log.warning("%s is not the published %s: its MD5 differs", path, self.archive.content)
        return self._checked[path]

    def fetch_and_unpack(self, retry: Retry | None) -> None:
        """Fetch the archive if needed, and unpack missing files."""
        if self.complete():
            return
        path = self.find_archive()
        if path is None:
            path = download(self.remote(), self.root / self.archive.file, retry=retry)
        elif not self.is_published(path):
            raise CorruptFileError(
                f"{path} is not the published file: its checksum is not MD5 {self.archive.md5}. It may be incomplete: "
                f"remove it and run the same command again, or fetch {self.archive.address} again."
            )
        done = unpack(path, self.root, self.archive.folder, self.pattern)
        if done.links:
            log.warning("%s holds %d links, which were not created", path, done.links)
        note = {"file": str(path.absolute()), "version": _version(path), "files": done.files}
        self.note.write_text(json.dumps(note))
        self.used = path

    def remote(self) -> RemoteFile:
        """Return the remote file of the archive."""
        archive = self.archive
        address = f"{self.mirror.rstrip('/')}/{archive.file}" if self.mirror else archive.address
        checksums = (Checksum("md5", archive.md5),) if self.verify else ()
        size = int(archive.megabytes * 1e6) if archive.megabytes and self.verify else None
        return RemoteFile(address, checksums, size, trust_any=archive.trust_any and self.verify)

    def report(self) -> Fetched:
        """Return the result of fetching the archive."""
        return Fetched(self.archive, self.used, self.found, self.count())


def _require_by_hand(source: Source, states: Sequence[_State]) -> None:
    """Raise early if files must be fetched by hand, before the long download of the others."""
    missing = [
        s for s in states if s.archive.by_hand and not s.mirror and not s.complete() and s.find_archive() is None
    ]
    if not missing:
        return
    lines = [f"{source.title}: these files have no address that a program can fetch. From {source.page} get"]
    for state in missing:
        place = (state.root / state.archive.file).absolute()
        lines += [f"  {state.archive.content} ({state.archive.address})", f"    and save it as {place}"]
    lines += ["then run the same command again to fetch the rest and unpack all files.", f"Licence: {source.licence}"]
    raise MissingFilesError("\n".join(lines))


def _require_space(root: Path, states: Sequence[_State]) -> None:
    needed = 0.0
    for state in states:
        if state.archive.megabytes and state.verify and not state.complete():
            share = 1 - min(1.0, state.found / max(1, state.archive.files))
            needed += 1e6 * state.archive.megabytes * ((state.find_archive() is None) + share)
    require_space(root, int(needed), f"fetching and unpacking {human(needed)}")


def _version(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
