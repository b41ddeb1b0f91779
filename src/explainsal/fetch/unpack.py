"""Unpack the missing files of a data set from a zip file: only complete files, and none outside the folder."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import walk
from pathlib import Path

from rich.progress import track

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.checksum import BLOCK
from explainsal.fetch.disk import full_disk_is_reported, human, require_space

DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError)
RATIO = 20.0  # maximum of unpacked bytes per byte of the archive; more is treated as an attack
FILES = 200_000  # maximum number of files in an archive
TEMPORARY = ".unpacking-"  # prefix of files that are being written


@dataclass(frozen=True)
class Unpacked:
    """Counts of an unpacking.

    Args:
        files: Matching members; all of them are on disk now.
        written: Matching members that were missing before.
        links: Links and devices in the archive; none of them is created.
    """

    files: int
    written: int
    links: int


@dataclass(frozen=True)
class Pattern:
    """Pattern of the files of a data set, in its archive and on disk alike.

    Args:
        regex: Matches a whole path. Its group ``path`` is the path inside the data set's own folder. Its group ``key``
            (by default equal to ``path``) identifies a file regardless of its folder.

    Example:
        >>> pattern = Pattern(r"(?:.*?/)??(?P<path>(?:train/)?(?P<key>\\d+\\.jpg))")
        >>> pattern.split("images/train/7.jpg"), pattern.split("train/readme.txt")
        (('train/7.jpg', '7.jpg'), None)
    """

    regex: str

    def split(self, name: str) -> tuple[str, str] | None:
        """Return path below the folder and key of a file; None for other files and hidden ones."""
        match = re.fullmatch(self.regex, name)
        if match is None or _is_hidden(name):
            return None
        return match["path"], match.groupdict().get("key") or match["path"]

    def files(self, root: Path) -> dict[str, list[str]]:
        """Map keys to paths of the matching files below `root`; follow links to folders and skip hidden folders."""
        found = defaultdict(list)
        for base, folders, names in walk(root, followlinks=True):
            folders[:] = [name for name in folders if not _is_hidden(name)]
            below = Path(base).relative_to(root)
            for name in names:
                path = (below / name).as_posix()
                if parts := self.split(path):
                    found[parts[1]].append(path)
        return found


@dataclass(frozen=True)
class _Member:
    """A matching file of the archive: its path without the data set's own folder, and its key."""

    info: zipfile.ZipInfo
    inside: str
    key: str


def unpack(path: Path, root: Path, folder: str, pattern: Pattern) -> Unpacked:
    """Write the matching members that are missing on disk.

    A file on disk with the same key and content is kept, in any folder. A file that holds only the beginning of a
    member, left by a killed program, is completed. Missing files are put next to the others of
    their folder. Every file appears complete or not at all, so an interrupted call can be resumed. Links are never
    created.

    Args:
        folder: Subfolder of `root` for files whose folder is empty so far; ``""`` for `root` itself.

    Raises:
        CorruptFileError: If the archive is damaged, unsafe, or holds no such file.
        UserError: If a file with other content is in the way.
        DiskError: If the disk is full or not writable.
    """
    with damage_is_reported(path), zipfile.ZipFile(path) as archive:
        infos = [info for info in archive.infolist() if not info.is_dir()]
        _check(path, infos)
        files = [info for info in infos if not _is_link(info)]
        wanted = [_Member(info, *parts) for info in files if (parts := pattern.split(_safe(path, info.filename)))]
        if not wanted:
            raise CorruptFileError(f"{path} holds none of the files of this data set: it is not the published file")
        missing = _missing(archive, root, folder, pattern, wanted)
        require_space(root, sum(member.info.file_size for member, _ in missing), f"unpacking {path.name}")
        with full_disk_is_reported(f"unpacking {path.name}", root):
            for target in {(root / place).parent for _, place in missing}:
                target.mkdir(parents=True, exist_ok=True)
                for left in target.glob(f"{TEMPORARY}*"):  # left by a killed process
                    left.unlink()
            for member, place in track(missing, f"unpacking {path.name}", transient=True, disable=not missing):
                _write(archive, member.info, root / place)
    return Unpacked(len(wanted), len(missing), len(infos) - len(files))


@contextmanager
def damage_is_reported(path: Path) -> Iterator[None]:
    """Turn the libraries' errors about a damaged archive into one message.

    Raises:
        CorruptFileError: In place of such an error.
    """
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # an error of the disk, not of the archive
        raise CorruptFileError(
            f"{path} is damaged, incomplete or not a zip file ({error}). Remove it and run the same command again, "
            "or download it again by hand."
        ) from error


def _check(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    total, packed = sum(info.file_size for info in infos), path.stat().st_size
    allowed = RATIO * packed + BLOCK
    if total > allowed or len(infos) > FILES:
        raise CorruptFileError(
            f"{path} ({human(packed)}) would unpack to {human(total)} in {len(infos):,} files, at most "
            f"{human(allowed)} in {FILES:,} are expected: not the published file. Nothing was unpacked."
        )
    if any(info.flag_bits & 1 for info in infos):
        raise CorruptFileError(f"{path} is encrypted: it is not the published file")
    names = Counter(_safe(path, info.filename) for info in infos)
    for name, count in names.most_common(1):
        if count > 1:
            raise CorruptFileError(f"{path} holds the path {name!r} {count} times: it is not the published file")


def _safe(path: Path, name: str) -> str:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".")]
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name) or ".." in parts:
        raise CorruptFileError(
            f"{path} holds the path {name!r}, which leads out of the folder: it is not the published file. "
            "Nothing was unpacked; remove it."
        )
    return "/".join(parts)


def _missing(
    archive: zipfile.ZipFile, root: Path, folder: str, pattern: Pattern, wanted: Sequence[_Member]
) -> list[tuple[_Member, str]]:
    """Return the missing members, each with its target path below `root`."""
    there = pattern.files(root)
    places: dict[str, Counter[str]] = defaultdict(Counter)  # folder in the archive -> folders of its files on disk
    missing: list[tuple[_Member, str | None]] = []
    for member in wanted:
        states = {place: _state(archive, member.info, root / place) for place in there.get(member.key, ())}
        whole = [place for place, state in states.items() if state == "whole"]
        if whole:
            places[_parent(member.inside)][_parent(whole[0])] += 1
        else:
            missing.append((member, next((place for place, state in states.items() if state == "begun"), None)))
    return [(m, begun or _place(root, m, folder, places[_parent(m.inside)])) for m, begun in missing]


def _place(root: Path, member: _Member, folder: str, neighbours: Counter[str]) -> str:
    base = neighbours.most_common(1)[0][0] if neighbours else "/".join(filter(None, [folder, _parent(member.inside)]))
    place = f"{base}/{member.inside.rpartition('/')[2]}" if base else member.inside
    if (root / place).exists():
        raise UserError(
            f"{root / place} differs from the file of that name in the archive ({member.info.filename}): it belongs to "
            "another release or was changed. Move it away, or choose another folder with data.root=FOLDER."
        )
    return place


def _state(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> str:
    """Compare a file on disk with a member: ``whole`` if equal, ``begun`` if it is a prefix, else ``other``."""
    size = path.stat().st_size
    if size > info.file_size:
        return "other"
    with path.open("rb") as there, archive.open(info) as content:
        while block := there.read(BLOCK):
            if content.read(len(block)) != block:
                return "other"
    return "whole" if size == info.file_size else "begun"


def _write(archive: zipfile.ZipFile, info: zipfile.ZipInfo, target: Path) -> None:
    temporary = target.with_name(f"{TEMPORARY}{target.name}")
    try:
        with archive.open(info) as content, temporary.open("wb") as file:
            while block := content.read(BLOCK):
                file.write(block)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG)


def _is_hidden(path: str) -> bool:
    """Return whether a path is a leftover of an operating system or version control, e.g. ``__MACOSX/._1.jpg``."""
    return any(part.startswith((".", "__MACOSX")) for part in path.split("/"))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
