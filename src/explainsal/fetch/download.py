"""Download a file with gdown, which can resume; the file appears only once it is complete and verified."""

from __future__ import annotations

import logging
import socket
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.checksum import BLOCK, Checksum
from explainsal.fetch.disk import full_disk_is_reported, human, require_space

AGENT = "explainsal (https://arxiv.org/abs/2109.03575)"
TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # HTTP codes of temporary server errors, which are retried
OVERSIZE = 2  # a file larger than this many times its published size is refused

log = logging.getLogger(__name__)


class RefusedError(UserError):
    """The server refuses the file; repeated requests do not help."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to fetch.

    Args:
        address: URL of the file; a Google Drive URL may be copied from a browser.
        checksums: Published checksums, one per known version; empty if none is published.
        size: Approximate published size in bytes; None if unknown.
        trust_any: Accept an invalid TLS certificate of the server; allowed only with a checksum.

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
    """Number and timing of download attempts.

    Args:
        attempts: Number of failed attempts after which the download fails.
        pause: Seconds before the second attempt at a busy server; the pause doubles each time.
        timeout: Seconds without data after which an attempt fails.
    """

    attempts: int = 8
    pause: float = 1.0
    timeout: float = 30.0


def download(remote: RemoteFile, target: Path, *, retry: Retry | None = None) -> Path:
    """Download a file to `target` unless it exists already.

    Incomplete downloads are stored next to it as ``<name>.part...``. An interrupted download is resumed if a checksum
    can verify the result; otherwise it starts again.

    Args:
        retry: Number and timing of attempts; None for the defaults.

    Raises:
        DiskError: If the disk is full or not writable.
        RefusedError: If the server refuses the file.
        UserError: If the server does not answer; the message says how to fetch the file by hand.
        CorruptFileError: If the downloaded file is not the published one.
    """
    if target.is_file():
        return target
    with full_disk_is_reported(f"fetching {target.name}", target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        require_space(target.parent, remote.size or 0, f"fetching {target.name}")
        resumed = bool(remote.checksums) and bool(_parts(target))
        try:
            part = _fetch(remote, target, retry or Retry())
            if resumed and not _is_published(part, remote.checksums):
                log.warning("%s is not the published file, perhaps after resuming; downloading it again", target.name)
                part.unlink()
                part = _fetch(remote, target, retry or Retry())
            if not _is_published(part, remote.checksums):
                part.unlink()
                raise CorruptFileError(_describe_mismatch(remote))
        except UserError as error:
            raise type(error)(f"{error}\n{_by_hand(remote, target)}") from error
        part.replace(target)
    return target


def _fetch(remote: RemoteFile, target: Path, retry: Retry) -> Path:
    """Download the complete, unchecked file to a path next to `target`."""
    import gdown  # like requests, imported only for a download, since it takes a tenth of a second
    import requests

    host = urlsplit(remote.address).netloc
    _require_known_host(remote.address)
    refused = False
    for attempt in range(retry.attempts):
        if not remote.checksums:
            _remove_parts(target)
        try:
            return _attempt(remote, target, retry)
        except requests.HTTPError as error:
            answer = error.response
            status = 0 if answer is None else answer.status_code
            reason = f"{remote.address} answers {status} {'' if answer is None else answer.reason}"
            if status not in TEMPORARY:
                raise RefusedError(reason) from error
            pause = retry.pause * 2**attempt
        except gdown.exceptions.DownloadError as error:
            if isinstance(error.__cause__, requests.RequestException):  # gdown has already retried
                raise UserError(f"{host} does not answer ({_one_line(error)})") from error
            if "byte range" not in str(error):
                raise UserError(f"{remote.address}: the connection ended too early ({_one_line(error)})") from error
            if refused:  # refused twice: the server cannot resume it, or has another version
                _remove_parts(target)
            refused, reason, pause = True, f"{remote.address} does not resume the file", retry.pause
        if attempt + 1 < retry.attempts:
            log.warning("%s; next attempt in %.0f s", reason, pause)
            time.sleep(pause)
    raise UserError(f"{reason}; {retry.attempts} attempts failed")


def _attempt(remote: RemoteFile, target: Path, retry: Retry) -> Path:
    import gdown
    import requests
    import urllib3

    part = target.with_name(f"{target.name}.part")
    with _bar() as progress, warnings.catch_warnings():
        warnings.simplefilter("ignore", urllib3.exceptions.InsecureRequestWarning)
        try:
            gdown.download(
                remote.address,
                str(part),
                quiet=True,
                use_cookies=False,
                resume=bool(remote.checksums),
                retries=retry.attempts - 1,
                timeout=retry.timeout,
                verify=not remote.trust_any,
                user_agent=AGENT,
                progress=_watch(remote, target, progress),
            )
        except gdown.exceptions.FileURLRetrievalError as error:
            raise RefusedError(f"{remote.address}: {_one_line(error)}") from error
        except requests.exceptions.SSLError as error:
            raise RefusedError(f"{remote.address}: the server's certificate is invalid ({error})") from error
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise UserError(f"{urlsplit(remote.address).netloc} does not answer ({_one_line(error)})") from error
        except requests.exceptions.InvalidURL as error:
            raise RefusedError(f"{remote.address} is not a valid address: {error}") from error
    with part.open("rb") as file:
        begin = file.read(200).lstrip().lower()
    if begin.startswith((b"<!doctype html", b"<html")):
        part.unlink()
        raise RefusedError(f"{remote.address} returns a web page instead of the file")
    return part


def _watch(remote: RemoteFile, target: Path, progress: Progress) -> Callable[[int, int | None], None]:
    """Show the progress, and stop a file that is far larger than published or than the disk."""
    task = progress.add_task(target.name, total=remote.size)
    limit = OVERSIZE * remote.size + BLOCK if remote.size else float("inf")
    asked = False

    def show(done: int, total: int | None) -> None:
        nonlocal asked
        if max(done, total or 0) > limit:
            raise RefusedError(f"{remote.address} sends {human(max(done, total or 0))}: not the published file")
        if total and not asked:
            require_space(target.parent, total - done, f"fetching {target.name}")
            asked = True
        progress.update(task, completed=done, total=total or remote.size)

    return show


def _require_known_host(address: str) -> None:
    """Raise at once if the host name is unknown, as without a network; a proxy may know more names."""
    import requests

    host = urlsplit(address).hostname
    if host is None or requests.utils.get_environ_proxies(address):
        return
    try:
        socket.getaddrinfo(host, None)
    except socket.gaierror as error:
        raise UserError(f"{host} does not answer ({error}); no network?") from error


def _is_published(part: Path, checksums: tuple[Checksum, ...]) -> bool:
    return not checksums or any(checksum.of(part) == checksum for checksum in checksums)


def _parts(target: Path) -> list[Path]:
    return list(target.parent.glob(f"{target.name}.part*"))


def _remove_parts(target: Path) -> None:
    for left in _parts(target):
        left.unlink()


def _describe_mismatch(remote: RemoteFile) -> str:
    known = " or ".join(map(str, remote.checksums))
    return (
        f"{remote.address} is not the published file: its checksum is not {known}. "
        "Its authors may have replaced it, or it was damaged during the download."
    )


def _by_hand(remote: RemoteFile, target: Path) -> str:
    begun = sum(part.stat().st_size for part in _parts(target))
    kept = f"{human(begun)} are kept: run the same command again to resume.\n" if begun else ""
    return (
        f"{kept}By hand: download {remote.address} with a browser, save it as {target.absolute()}, "
        "and run the same command again."
    )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), transient=True)
