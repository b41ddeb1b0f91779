"""Download a file: it goes on where it stopped, tries again, and is in place only when it is whole and right."""

from __future__ import annotations

import http.client
import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.checksum import BLOCK, Advance, Checksum
from explainsal.fetch.disk import full_disk_is_reported, human, require_space
from explainsal.fetch.web import Answer, Client, PassingError, RangeError, RefusedError, UnknownHostError

SURPRISE = 2  # a file may be this many times as large as published before it is refused

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Args:
        address: Its URL.
        checksums: As published: of every version that is known, none where none is.
        size: Bytes as published, roughly; None where unknown.
        trust_any: Its server has an invalid TLS certificate; allowed only with a checksum.

    Raises:
        ValueError: If `trust_any` is set without a checksum.
    """

    address: str
    checksums: tuple[Checksum, ...] = ()
    size: int | None = None
    trust_any: bool = False

    def __post_init__(self) -> None:
        if self.trust_any and not self.checksums:
            raise ValueError("a server that cannot be trusted needs a checksum")


@dataclass(frozen=True)
class Retry:
    """How patiently to try again: the n-th pause is ``first * 2**n`` seconds, at most `longest`.

    Args:
        attempts: Failures in a row, without a single new byte, that end the download.
        first: Seconds before the second attempt.
        longest: Seconds.
        timeout: Seconds without a byte after which an attempt has failed.
    """

    attempts: int = 6
    first: float = 1.0
    longest: float = 60.0
    timeout: float = 30.0

    def pause(self, failures: int, wanted: float | None) -> float:
        """Seconds to wait after so many failures in a row; the server's own wish counts, within reason."""
        return min(self.longest, max(self.first * 2 ** (failures - 1), wanted or 0.0))


@dataclass(frozen=True)
class _State:
    """What is known of a half-fetched file: where from, its whole size, and which version of it."""

    address: str
    total: int | None = None
    version: str = ""


def download(remote: RemoteFile, target: Path, *, retry: Retry | None = None) -> Path:
    """Fetch a file to `target`; nothing is asked for where it already lies.

    Until it is whole and checked it lies beside, as ``<name>.part``; what is there is continued after an interruption
    of any kind, unless the server has another version by now or cannot continue: then it begins anew.

    Args:
        remote: What to fetch.
        target: Where to put it.
        retry: How patiently; None for the defaults.

    Returns:
        `target`.

    Raises:
        UserError: If the server refuses it, does not answer, or the disk is full; the message says which.
        CorruptFileError: If what arrives is not the published file.
    """
    if target.is_file():
        return target
    transfer = _Transfer(remote, target, retry or Retry())
    with full_disk_is_reported(f"fetching {target.name}", target.parent), _bar() as progress:
        target.parent.mkdir(parents=True, exist_ok=True)
        transfer.run(progress)
    return target


class _Transfer:
    """One file on its way."""

    def __init__(self, remote: RemoteFile, target: Path, retry: Retry) -> None:
        self.remote = remote
        self.target = target
        self.retry = retry
        self.part = target.with_name(f"{target.name}.part")
        self.note = target.with_name(f"{target.name}.part.json")
        self.doubtful = False  # several connections brought it, or one that did not say how long it is
        self.client = Client(retry.timeout, trust_any=remote.trust_any)

    def run(self, progress: Progress) -> None:
        """Fetch, check, move into place; a file put together from several attempts gets a second chance."""
        while True:
            self._receive(progress)
            if self._is_right(progress):
                break
            self._forget()
            if not self.doubtful:
                raise CorruptFileError(self._wrong())
            log.warning("%s is not the published file, perhaps because a connection broke: once more", self.target.name)
            self.doubtful = False
        with self.part.open("rb") as file:
            os.fsync(file.fileno())
        self.part.replace(self.target)
        self.note.unlink(missing_ok=True)

    def _receive(self, progress: Progress) -> None:
        task = progress.add_task(self.target.name, total=self.remote.size)
        failures, arrived = 0, False
        while not self._is_whole():
            before = self._size()
            try:
                self._attempt(lambda done, total: progress.update(task, completed=done, total=total))
            except PassingError as error:
                failures = 1 if self._size() > before else failures + 1
                arrived |= self._size() > before
                offline = isinstance(error, UnknownHostError) and not arrived
                if offline or failures >= self.retry.attempts:
                    raise UserError(self._give_up(error)) from error
                wait = self.retry.pause(failures, error.after)
                log.warning("%s: %s; again in %.0f s", self.target.name, error, wait)
                time.sleep(wait)
            except RefusedError as error:
                raise RefusedError(f"{error}\n{self._by_hand()}") from error

    def _attempt(self, show: Callable[[int, int | None], object]) -> None:
        """Append what one connection brings.

        Raises:
            PassingError: If the connection ends before the file does.
        """
        known = self._state()
        start = self._size()
        self.doubtful |= start > 0
        try:
            answer = self.client.get(self.remote.address, start, known.version)
        except RangeError:  # no such byte: another file, or one without ranges
            self._forget()
            raise
        if start and (answer.start != start or _differs(answer, known)):
            log.warning("%s cannot be continued, it begins anew", self.target.name)
            self._forget()
            if answer.start:
                answer.stream.close()
                raise PassingError("another version of the file")
        self._expect(answer)
        self.note.write_text(json.dumps(asdict(_State(self.remote.address, answer.total, answer.version))))
        with answer.stream, self.part.open("ab") as file:
            self._copy(answer, file.write, show)

    def _copy(
        self, answer: Answer, write: Callable[[bytes], object], show: Callable[[int, int | None], object]
    ) -> None:
        done = answer.start
        limit = SURPRISE * self.remote.size + BLOCK if self.remote.size else None
        while True:
            try:
                block = answer.stream.read1(BLOCK)
            except (http.client.HTTPException, OSError) as error:
                raise PassingError(f"the connection broke after {human(done)} ({error})") from error
            if not block:
                break
            write(block)
            done += len(block)
            show(done, answer.total or self.remote.size)
            if limit and done > limit:
                raise RefusedError(f"{self.remote.address} sends more than {human(limit)}: not the published file")
        if answer.total is None:
            self.doubtful = True
            self.note.write_text(json.dumps(asdict(_State(self.remote.address, done, answer.version))))
        elif done < answer.total:
            raise PassingError(f"the connection ended after {human(done)} of {human(answer.total)}")

    def _expect(self, answer: Answer) -> None:
        total = answer.total or self.remote.size or 0
        if self.remote.size and total > SURPRISE * self.remote.size + BLOCK:
            raise RefusedError(
                f"{self.remote.address} is {human(total)} large, published were {human(self.remote.size)}"
            )
        require_space(self.target.parent, max(0, total - answer.start), f"fetching {self.target.name}")

    def _is_right(self, progress: Progress) -> bool:
        known = self.remote.checksums
        if not known:
            return True
        task = progress.add_task(f"checking {self.target.name}", total=self._size())
        advance: Advance = lambda done: progress.update(task, advance=done)
        algorithms = {checksum.algorithm: checksum for checksum in known}
        return any(checksum.of(self.part, advance) in known for checksum in algorithms.values())

    def _is_whole(self) -> bool:
        total = self._state().total
        return total is not None and self._size() == total

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _state(self) -> _State:
        """The note beside the half file; without one of the same address the half file is worth nothing."""
        try:
            state = _State(**json.loads(self.note.read_text()))
        except (OSError, ValueError, TypeError):
            state = _State("")
        if state.address == self.remote.address:
            return state
        self._forget()
        return _State(self.remote.address)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)

    def _wrong(self) -> str:
        known = " or ".join(map(str, self.remote.checksums))
        return (
            f"what {self.remote.address} sends is not the published file: its checksum is not {known}. "
            f"The file may have been replaced by its authors or damaged on the way.\n{self._by_hand()}"
        )

    def _give_up(self, error: PassingError) -> str:
        kept = f" {human(self._size())} are kept: the same command goes on from there later." if self._size() else ""
        tried = "no network?" if isinstance(error, UnknownHostError) else f"{self.retry.attempts} attempts in vain."
        return f"{self.target.name}: {error}; {tried}{kept}\n{self._by_hand()}"

    def _by_hand(self) -> str:
        return (
            f"By hand: fetch {self.remote.address} with a browser, save it as {self.target.absolute()}, "
            "and run the same command again."
        )


def _differs(answer: Answer, known: _State) -> bool:
    return answer.version != known.version or answer.total != known.total


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), transient=True)
