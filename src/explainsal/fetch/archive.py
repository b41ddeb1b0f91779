"""The members of a zip or tar file, as a description: nothing is written here, and nothing unsafe is handed out."""

from __future__ import annotations

import re
import stat
import tarfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from explainsal.errors import CorruptFileError
from explainsal.fetch.checksum import BLOCK
from explainsal.fetch.disk import human

DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Args:
        name: Path in the archive, with forward slashes, checked: relative, without ``..``.
        size: Bytes when unpacked.
        crc: CRC-32 of its content, None where the format has none (tar).
        info: What the archive's library knows it by.
    """

    name: str
    size: int
    crc: int | None
    info: zipfile.ZipInfo | tarfile.TarInfo


@dataclass(frozen=True)
class Limits:
    """What an archive may hold; more is taken for an attack or another file.

    Args:
        ratio: Unpacked bytes per byte of the archive.
        files: Number of members.
        size: Unpacked bytes; None for no limit but the ratio.
    """

    ratio: float = 20.0
    files: int = 200_000
    size: int | None = None


class Archive:
    """An open zip or tar file (tar also compressed); use it in a ``with`` statement.

    Links and devices are left out and counted in `links`: no data set needs one, and a link can lead anywhere.

    Args:
        path: The file.
        limits: What it may hold.

    Raises:
        CorruptFileError: If it is no archive, cut short, encrypted, holds more than the limits, a path that leads out
            of the folder, or the same path twice.
    """

    def __init__(self, path: Path, limits: Limits | None = None) -> None:
        self.path = path
        self.links = 0
        with damage_is_reported(path):
            self._file = zipfile.ZipFile(path) if zipfile.is_zipfile(path) else tarfile.open(path)  # noqa: SIM115
            self.members = list(self._members())
        self._check(limits or Limits())

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def open(self, member: Member) -> IO[bytes]:
        """The content of a member."""
        if isinstance(self._file, zipfile.ZipFile):
            return self._file.open(member.info)  # type: ignore[arg-type]
        content = self._file.extractfile(member.info)  # type: ignore[arg-type]
        assert content is not None  # only regular files are members
        return content

    def same(self, member: Member, path: Path) -> bool:
        """Whether a file on disk has the content of a member."""
        if path.stat().st_size != member.size:
            return False
        if member.crc is not None:
            return _crc(path) == member.crc
        return self.begins_with(member, path)

    def begins_with(self, member: Member, path: Path) -> bool:
        """Whether a file on disk is the beginning of a member, as an interrupted program leaves it."""
        with path.open("rb") as there, self.open(member) as content:
            while block := there.read(BLOCK):
                if content.read(len(block)) != block:
                    return False
        return True

    def _members(self) -> Iterator[Member]:
        if isinstance(self._file, zipfile.ZipFile):
            for info in self._file.infolist():
                if info.flag_bits & 1:
                    raise CorruptFileError(f"{self.path} is encrypted: it is not the published file")
                if _is_link(info):
                    self.links += 1
                elif not info.is_dir():
                    yield Member(self._safe(info.filename), info.file_size, info.CRC, info)
            return
        for entry in self._file:
            if entry.isfile():
                yield Member(self._safe(entry.name), entry.size, None, entry)
            elif not entry.isdir():
                self.links += 1
        _require_end(self._file)

    def _safe(self, name: str) -> str:
        parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
        if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in parts or "\0" in name:
            raise CorruptFileError(
                f"{self.path} holds the path {name!r}, which leads out of the folder: it is not the published file. "
                "Nothing was unpacked; remove it."
            )
        return "/".join(part for part in parts if part)

    def _check(self, limits: Limits) -> None:
        total, packed = sum(member.size for member in self.members), self.path.stat().st_size
        allowed = min(limits.ratio * packed + BLOCK, limits.size or float("inf"))
        if total > allowed or len(self.members) > limits.files:
            raise CorruptFileError(
                f"{self.path} ({human(packed)}) would unpack to {human(total)} in {len(self.members):,} files, at most "
                f"{human(allowed)} in {limits.files:,} are expected: not the published file. Nothing was unpacked."
            )
        name, count = Counter(member.name for member in self.members).most_common(1)[0] if self.members else ("", 0)
        if count > 1:
            raise CorruptFileError(f"{self.path} holds the path {name!r} {count} times: it is not the published file")


@contextmanager
def damage_is_reported(path: Path) -> Iterator[None]:
    """One message for whatever the libraries raise on a damaged archive.

    Raises:
        CorruptFileError: In that case.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's, not the archive's
        raise CorruptFileError(
            f"{path} is damaged, cut short or no zip or tar file ({error}). Remove it and run the same command again, "
            "or fetch it again by hand."
        ) from error


def _is_link(info: zipfile.ZipInfo) -> bool:
    kind = stat.S_IFMT(info.external_attr >> 16)
    return kind not in (0, stat.S_IFREG, stat.S_IFDIR)


def _require_end(file: tarfile.TarFile) -> None:
    """Python takes a broken header for the end of a tar file; the true end is a block of zeros, and readable after it.

    Raises:
        tarfile.ReadError: If the file ends otherwise.
    """
    stream = file.fileobj
    assert stream is not None
    stream.seek(file.offset)
    if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError("unexpected end of data")
    while stream.read(BLOCK):  # the checksum of a compressed file stands at its end
        pass


def _crc(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value
