"""Fetch and unpack what is missing of a published data set; what a person fetched or unpacked by hand is used."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from filelock import FileLock, Timeout

from explainsal.data.sources import Archive, Source
from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import full_disk_is_reported, human, require_space
from explainsal.fetch.download import RemoteFile, Retry, download
from explainsal.fetch.unpack import Pattern, unpack

NOTES = ".explainsal"  # folder below the data root, where the parsed fixations lie too

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """What became of one archive.

    Args:
        archive: Which one.
        file: Where it lies, None where it was not needed.
        found: Files of it on disk beforehand.
        files: Files of it on disk now.
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
    """Bring every archive's files below `root`, whatever part of them is there already.

    An archive whose files are all there is neither fetched nor opened. An archive that lies in `root` or the folder
    above, under its own name or one that a browser gives it, is used in place of a download. One process works on a
    data set at a time, others wait.

    Args:
        source: The data set.
        root: Its folder; made if needed.
        archives: Which of its archives.
        mirror: Address of a folder that holds the files under their names here, used in place of the published ones.
        verify: Whether checksums must be the published ones.
        retry: How patiently to try a download.

    Raises:
        MissingFilesError: If files must be fetched by hand; the message says which, from where, and to which place.
        CorruptFileError: If a file is not the published one.
        UserError: If a download fails or the disk is full.
    """
    states = [_State(archive, root, mirror, verify) for archive in archives]
    if all(state.complete() for state in states):
        return [state.report() for state in states]
    with full_disk_is_reported("preparing the data set", root):
        (root / NOTES).mkdir(parents=True, exist_ok=True)
        with _alone(root / NOTES / "prepare.lock"):
            _require_by_hand(source, states)
            _require_space(root, states)
            for state in states:
                state.bring(retry)
    return [state.report() for state in states]


class _State:
    """One archive, and what there is of it."""

    def __init__(self, archive: Archive, root: Path, mirror: str | None, verify: bool) -> None:
        self.archive = archive
        self.root = root
        self.mirror = mirror
        self.verify = verify and bool(archive.md5)
        self.pattern = Pattern(archive.pattern)
        self.note = root / NOTES / f"{archive.file}.json"
        self.found = self.count()
        self.used: Path | None = None
        self._judged: dict[Path, bool] = {}

    def count(self) -> int:
        """Files of it on disk."""
        return len(self.pattern.files(self.root)) if self.root.is_dir() else 0

    def complete(self) -> bool:
        """Whether all of its files are there: as many as we unpacked from it, or without a word of that, as published.

        While an archive lies there that was never unpacked to the end, the number alone proves nothing.
        """
        known = self.unpacked_files()
        if known is not None:
            return self.count() >= known
        return self.count() >= self.archive.files and self.at_hand() is None

    def unpacked_files(self) -> int | None:
        """How many files an earlier call unpacked from the file that still lies there, or that was removed since."""
        try:
            note = json.loads(self.note.read_text())
            path = self.root / note["file"]
            same = not path.is_file() or note["version"] == _version(path)
            return int(note["files"]) if same else None
        except (OSError, ValueError, KeyError):
            return None

    def at_hand(self) -> Path | None:
        """The archive itself, if it lies in one of the places for it."""
        for name in self.names():
            for folder in (self.root, self.root.absolute().parent):
                path = folder / name
                if path.is_file() and (name == self.archive.file or self.is_right(path)):
                    return path
        return None

    def names(self) -> list[str]:
        """Its name here, and others that it may have when fetched by hand."""
        last = Path(unquote(urlsplit(self.archive.address).path)).name
        published = [last] if self.verify and last.endswith(".zip") else []
        return list(dict.fromkeys([self.archive.file, *self.archive.aliases, *published]))

    def is_right(self, path: Path) -> bool:
        """Whether a file is the published one, as far as anyone can tell."""
        if path not in self._judged:
            expected = Checksum("md5", self.archive.md5) if self.verify else None
            self._judged[path] = expected is None or expected.of(path) == expected
            if not self._judged[path]:
                log.warning("%s is not the published %s: it has another MD5", path, self.archive.content)
        return self._judged[path]

    def bring(self, retry: Retry | None) -> None:
        """Fetch it unless it is there, and unpack what is missing."""
        if self.complete():
            return
        path = self.at_hand()
        if path is None:
            path = download(self.remote(), self.root / self.archive.file, retry=retry)
        elif not self.is_right(path):
            raise CorruptFileError(
                f"{path} is not the published file: its checksum is not MD5 {self.archive.md5}. It may be cut short: "
                f"remove it and run the same command again, or fetch {self.archive.address} again."
            )
        done = unpack(path, self.root, self.archive.folder, self.pattern)
        if done.links:
            log.warning("%s holds %d links, which were not made", path, done.links)
        note = {"file": str(path.absolute()), "version": _version(path), "files": done.files}
        self.note.write_text(json.dumps(note))
        self.used = path

    def remote(self) -> RemoteFile:
        """Where to fetch it."""
        archive = self.archive
        address = f"{self.mirror.rstrip('/')}/{archive.file}" if self.mirror else archive.address
        checksums = (Checksum("md5", archive.md5),) if self.verify else ()
        size = int(archive.megabytes * 1e6) if archive.megabytes and self.verify else None
        return RemoteFile(address, checksums, size, trust_any=archive.trust_any and self.verify)

    def report(self) -> Fetched:
        """What became of it."""
        return Fetched(self.archive, self.used, self.found, self.count())


def _require_by_hand(source: Source, states: Sequence[_State]) -> None:
    """Ask for what no program can fetch before hours of fetching the rest."""
    missing = [s for s in states if s.archive.by_hand and not s.mirror and not s.complete() and s.at_hand() is None]
    if not missing:
        return
    lines = [f"{source.title}: these files have no address that a program can fetch. From {source.page} get"]
    for state in missing:
        place = (state.root / state.archive.file).absolute()
        lines += [f"  {state.archive.content} ({state.archive.address})", f"    and save it as {place}"]
    lines += ["then run the same command again: it fetches the rest and unpacks all.", f"Licence: {source.licence}"]
    raise MissingFilesError("\n".join(lines))


def _require_space(root: Path, states: Sequence[_State]) -> None:
    needed = 0.0
    for state in states:
        if state.archive.megabytes and state.verify and not state.complete():
            share = 1 - min(1.0, state.found / max(1, state.archive.files))
            needed += 1e6 * state.archive.megabytes * ((state.at_hand() is None) + share)
    require_space(root, int(needed), f"fetching and unpacking {human(needed)}")


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Wait for other processes; the lock of one that was killed is open."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log.warning("another process prepares %s: waiting for it", path.parent.parent)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _version(path: Path) -> list[int]:
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns]
