"""Unpack what a reader needs of an archive, around what is there already: no file is written twice or over another."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.archive import Archive, Limits, Member, damage_is_reported
from explainsal.fetch.checksum import BLOCK
from explainsal.fetch.disk import full_disk_is_reported, require_space

TEMPORARY = ".unpacking-"  # begins the name of a file that is being written
Place = tuple[Member, str]  # a member, and its path below the data set's folder


@dataclass(frozen=True)
class Unpacked:
    """What was done.

    Args:
        files: Members that match, all of them on disk now.
        written: Those that were not there before.
        links: Links and devices in the archive, none of which was made.
    """

    files: int
    written: int
    links: int


@dataclass(frozen=True)
class Pattern:
    """Which files belong to a data set, in its archive and on disk alike.

    Args:
        regex: Matches a whole path. Its group ``path`` is what follows the data set's own folder, its group ``key``
            (by default the same) what tells a file from all others wherever it lies.

    Example:
        >>> pattern = Pattern(r"(?:.*?/)??(?P<path>(?:train/)?(?P<key>\\d+\\.jpg))")
        >>> pattern.split("images/train/7.jpg"), pattern.split("train/readme.txt")
        (('train/7.jpg', '7.jpg'), None)
    """

    regex: str

    def split(self, name: str) -> tuple[str, str] | None:
        """Path below the folder and key of a file, None if it does not belong; what is hidden never does."""
        match = re.fullmatch(self.regex, name)
        if match is None or _is_hidden(name):
            return None
        return match["path"], match.groupdict().get("key") or match["path"]

    def files(self, root: Path) -> dict[str, list[str]]:
        """Key -> paths below `root` of the files that belong; hidden folders are not entered, links to folders are."""
        found = defaultdict(list)
        for base, folders, names in os.walk(root, followlinks=True):
            folders[:] = [name for name in folders if not _is_hidden(name)]
            below = Path(base).relative_to(root).as_posix()
            for name in names:
                path = name if below == "." else f"{below}/{name}"
                if parts := self.split(path):
                    found[parts[1]].append(path)
        return found


def unpack(path: Path, root: Path, folder: str, pattern: Pattern, *, limits: Limits | None = None) -> Unpacked:
    """Write the members that match and are not there yet.

    A file already on disk under the same key with the same content is left as it is, wherever it lies; the beginning
    of one, as a killed program leaves it, is completed; missing files are put beside the others of their folder. Every
    file appears whole or not at all, so an interrupted call is taken up where it stopped.

    Args:
        path: A zip or tar file.
        root: Folder of the data set.
        folder: Where below `root` the files go where there are none yet; ``""`` for `root` itself.
        pattern: Which files.
        limits: What the archive may hold.

    Raises:
        CorruptFileError: If the archive is damaged, unsafe, or holds no such file.
        UserError: If a file of another content is in the way, or the disk is full.
    """
    with Archive(path, limits) as archive, damage_is_reported(path):
        wanted = [(member, *parts) for member in archive.members if (parts := pattern.split(member.name))]
        if not wanted:
            raise CorruptFileError(f"{path} holds none of the files of this data set: it is not the published file")
        missing = _missing(archive, root, folder, pattern, wanted)
        require_space(root, sum(member.size for member, _ in missing), f"unpacking {path.name}")
        with full_disk_is_reported(f"unpacking {path.name}", root):
            _write_all(archive, root, missing)
    return Unpacked(len(wanted), len(missing), archive.links)


def _missing(
    archive: Archive, root: Path, folder: str, pattern: Pattern, wanted: Sequence[tuple[Member, str, str]]
) -> list[Place]:
    there = pattern.files(root)
    places: dict[str, Counter[str]] = defaultdict(Counter)  # folder in the archive -> where its files lie on disk
    missing: list[tuple[Member, str, str | None]] = []
    for member, inside, key in wanted:
        found = next((p for p in there.get(key, ()) if archive.same(member, root / p)), None)
        if found is not None:
            places[_parent(inside)][_parent(found)] += 1
            continue
        begun = (p for p in there.get(key, ()) if _is_begun(archive, member, root / p))
        missing.append((member, inside, next(begun, None)))
    return [
        (member, begun or _place(root, member, inside, folder, places[_parent(inside)]))
        for member, inside, begun in missing
    ]


def _place(root: Path, member: Member, inside: str, folder: str, neighbours: Counter[str]) -> str:
    base = neighbours.most_common(1)[0][0] if neighbours else "/".join(p for p in (folder, _parent(inside)) if p)
    place = f"{base}/{inside.rpartition('/')[2]}" if base else inside
    if (root / place).exists():
        raise UserError(
            f"{root / place} is not the file of that name in the archive ({member.name}): it is of another release or "
            "was changed. Move it away, or choose another folder with data.root=FOLDER."
        )
    return place


def _is_begun(archive: Archive, member: Member, path: Path) -> bool:
    return path.stat().st_size < member.size and archive.begins_with(member, path)


def _write_all(archive: Archive, root: Path, places: Sequence[Place]) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True, disable=not places) as progress:
        task = progress.add_task(f"unpacking {archive.path.name}", total=sum(member.size for member, _ in places))
        for folder in {(root / place).parent for _, place in places}:
            folder.mkdir(parents=True, exist_ok=True)
            for left in folder.glob(f"{TEMPORARY}*"):  # of a killed process
                left.unlink()
        for member, place in places:
            _write(archive, member, root / place)
            progress.update(task, advance=member.size)


def _write(archive: Archive, member: Member, target: Path) -> None:
    temporary = target.with_name(f"{TEMPORARY}{target.name}")
    try:
        with archive.open(member) as content, temporary.open("wb") as file:
            written = 0
            while block := content.read(BLOCK):
                written += file.write(block)
        if written != member.size:
            raise CorruptFileError(f"{archive.path}: {member.name} is cut short. Remove the archive and fetch it again")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _is_hidden(path: str) -> bool:
    """What operating systems and version control leave in archives, e.g. ``__MACOSX/._1.jpg`` and ``.svn/1.jpg``."""
    return any(part.startswith((".", "__MACOSX")) for part in path.split("/"))


def _parent(path: str) -> str:
    return path.rpartition("/")[0]
