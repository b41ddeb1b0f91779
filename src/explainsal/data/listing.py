"""List the files of an unpacked archive, ignoring leftovers of operating systems and unzip programs."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from explainsal.errors import MissingFilesError, UserError

JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


def files_by_stem(folder: str | Path, suffixes: Sequence[str]) -> dict[str, str]:
    """Map stems to files of one folder, sorted by stem; subfolders are not searched.

    Args:
        folder: The folder; a missing one counts as empty.
        suffixes: Suffixes with dot, in lower case; files match in either case.

    Raises:
        UserError: If two files differ only in case or suffix and could be confused.
    """
    files, clash = {}, False
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                stem, _, suffix = entry.name.rpartition(".")
                if f".{suffix.lower()}" in suffixes and not is_junk(entry.name):
                    clash |= stem in files
                    files[stem] = entry.path
    except (FileNotFoundError, NotADirectoryError):
        return {}
    if clash or len({stem.casefold() for stem in files}) < len(files):
        refuse_clashes(files_below(folder, suffixes))
    return dict(sorted(files.items()))


def numbered(files: dict[str, str]) -> dict[str, str]:
    """Select the files whose stem is a number, in the order of the numbers."""
    return {stem: files[stem] for stem in sorted(filter(str.isdecimal, files), key=int)}


def files_below(folder: str | Path, suffixes: Sequence[str]) -> list[str]:
    """Return all files below a folder, sorted, without hidden files and folders."""
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        found += [os.path.join(base, name) for name in names if _is_wanted(name, suffixes)]
    return sorted(found)


def refuse_clashes(paths: Iterable[str]) -> None:
    """Raise a UserError if two files differ only in letter case or suffix."""
    known: dict[str, str] = {}
    for path in sorted(paths):
        other = known.setdefault(os.path.splitext(path)[0].casefold(), path)
        if other is not path:
            raise UserError(
                f"{other} and {path} differ only in letter case or suffix and could be confused. "
                "Rename or remove one of them."
            )


def unpacked(root: Path, *names: str) -> Iterator[Path]:
    """Yield the possible places of an archive's folder: in a folder of its name, in two nested ones, or in place.

    Example:
        >>> [str(path) for path in unpacked(Path("mit"), "DATA")]
        ['mit/DATA', 'mit/DATA/DATA', 'mit']
    """
    for name in names:
        yield root / name
        yield root / name / name
    yield root


def find_partners(
    images: dict[str, str],
    partners: dict[str, str],
    what: str,
    *,
    skip: bool = False,
    remedy: str = "Unpack the archive again",
) -> dict[str, str]:
    """Return the images that have a partner, in order.

    Args:
        images: Id -> picture.
        partners: Id -> file that belongs to the image.
        skip: Whether images without a partner are skipped; if all lack one, an error is raised.

    Raises:
        MissingFilesError: If an image lacks its partner and `skip` is false; the message names similar files.
    """
    absent = [key for key in images if key not in partners]
    if absent and (not skip or len(absent) == len(images)):
        names = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        close = {spelling(key): path for key, path in partners.items()}.get(spelling(absent[0]))
        strays = [path for key, path in partners.items() if key not in images]
        raise MissingFilesError(
            f"{len(absent)} of {len(images)} images have no {what}: {names}. "
            + (f"{len(strays)} files there belong to no image, first {strays[0]}. " if strays else "")
            + (f"{close} differs only in letter case or in the encoding of accents: rename it. " if close else "")
            + f"{remedy}, or set data.unreadable=skip to skip these images."
        )
    return {key: picture for key, picture in images.items() if key in partners}


def spelling(name: str) -> str:
    """Normalize letter case and the encoding of accents, which macOS stores decomposed.

    Example:
        >>> spelling("CAFE\u0301") == spelling("caf\u00e9")
        True
    """
    return unicodedata.normalize("NFC", name).casefold()


def _is_wanted(name: str, suffixes: Sequence[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes and not is_junk(name)


def is_junk(name: str) -> bool:
    """Return whether a file or folder is hidden, or a leftover of an operating system in an archive."""
    return name.startswith(".") or name in JUNK
