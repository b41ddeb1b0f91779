"""Files of an unpacked archive by stem: what operating systems and unzip programs leave beside them is passed over."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from explainsal.errors import MissingFilesError, UserError

JUNK = ("__MACOSX", "Thumbs.db", "desktop.ini")


def files_by_stem(folder: str | Path, suffixes: Sequence[str]) -> dict[str, str]:
    """Stem -> file of one folder, in Python's order of the stems; folders below are not entered.

    Args:
        folder: It may be absent: then there are no files.
        suffixes: With the dot, lower case; the files' own may be in either case.

    Raises:
        UserError: If two files differ only in case or suffix, so that one of them would be taken for the other.
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


def files_below(folder: str | Path, suffixes: Sequence[str]) -> list[str]:
    """All files below a folder, sorted; hidden files and folders are passed over."""
    found = []
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_junk(name))
        found += [os.path.join(base, name) for name in names if _is_wanted(name, suffixes)]
    return sorted(found)


def refuse_clashes(paths: Iterable[str]) -> None:
    """Make sure that all files differ in more than letter case and suffix.

    Raises:
        UserError: If not; it names two that clash.
    """
    seen: dict[str, str] = {}
    for path in sorted(paths):
        other = seen.setdefault(os.path.splitext(path)[0].casefold(), path)
        if other is not path:
            raise UserError(
                f"{other} and {path} differ only in letter case or suffix, so that one can be taken for the other. "
                "Rename or remove one of them."
            )


def unpacked(root: Path, *names: str) -> Iterator[Path]:
    """Where an archive's folder can be: in place, or in a folder of its own name, once or twice.

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
) -> list[str]:
    """The ids of the images that have a partner, in order.

    Args:
        images: Id -> picture.
        partners: Id -> what belongs to the image.
        what: What that is, for messages.
        skip: Whether images without one are left out; not if all are.
        remedy: What to do about it.

    Raises:
        MissingFilesError: If any has none and `skip` is false; it names the first and a partner in another case.
    """
    absent = [key for key in images if key not in partners]
    if absent and (not skip or len(absent) == len(images)):
        names = ", ".join(absent[:3]) + (", ..." if len(absent) > 3 else "")
        close = {spelling(key): path for key, path in partners.items()}.get(spelling(absent[0]))
        strays = [path for key, path in partners.items() if key not in images]
        raise MissingFilesError(
            f"{len(absent)} of {len(images)} images have no {what}: {names}. "
            + (f"{len(strays)} files there belong to no image, {strays[0]} the first. " if strays else "")
            + (f"{close} differs in letter case or in how accents are stored: rename it. " if close else "")
            + f"{remedy}, or set data.unreadable=skip to leave these images out."
        )
    return [key for key in images if key in partners]


def spelling(name: str) -> str:
    """What names have in common that differ in letter case, or in how accents are stored (macOS takes them apart).

    Example:
        >>> spelling("CAFE\u0301") == spelling("caf\u00e9")
        True
    """
    return unicodedata.normalize("NFC", name).casefold()


def _is_wanted(name: str, suffixes: Sequence[str]) -> bool:
    return os.path.splitext(name)[1].lower() in suffixes and not is_junk(name)


def is_junk(name: str) -> bool:
    """Whether a file or folder is hidden, or one that operating systems leave in archives."""
    return name.startswith(".") or name in JUNK
