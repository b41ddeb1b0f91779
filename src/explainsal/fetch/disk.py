"""Room on a disk, before and while something is written."""

from __future__ import annotations

import errno
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explainsal.errors import UserError

MARGIN = 64 << 20  # bytes that stay free: a completely full disk breaks other programs
FULL = (errno.ENOSPC, errno.EDQUOT)
FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
NO_FOLDER = (errno.ENOTDIR, errno.EEXIST)
ELSEWHERE = "data.root=FOLDER or paths.data=FOLDER"


class DiskError(UserError):
    """There is no room on the disk, or no permission to write there: another source of the same file does not help."""


def human(size: float) -> str:
    """A number of bytes for a person.

    Example:
        >>> human(3_000_000_000), human(44.4e6), human(999)
        ('3.0 GB', '44.4 MB', '999 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def require_space(folder: Path, needed: int, what: str, elsewhere: str = ELSEWHERE) -> None:
    """Refuse to begin what cannot end.

    Args:
        folder: Where it will be written; it need not exist yet.
        needed: Bytes.
        what: For the message, e.g. ``unpacking DATA.zip``.
        elsewhere: The options that choose another place.

    Raises:
        DiskError: If there is less room than that.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed + MARGIN > free:
        raise DiskError(
            f"{what} needs {human(needed)} in {folder.absolute()}, where {human(free)} are free. "
            f"Make room, or choose another disk with {elsewhere}."
        )


@contextmanager
def full_disk_is_reported(what: str, folder: Path, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """One message in place of the system's or HDF5's when the disk fills up or the folder cannot be written.

    Args:
        what: For the message, e.g. ``unpacking DATA.zip``.
        folder: Where it is written.
        elsewhere: The options that choose another place.

    Raises:
        DiskError: In that case; what was finished stays.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _errno(error)
        if number in FULL:
            raise DiskError(
                f"the disk is full while {what} in {folder.absolute()}. What was finished is kept: make room, then run "
                "the same command again, it goes on from there."
            ) from error
        if number in FORBIDDEN:
            raise DiskError(
                f"no permission for {what} in {folder.absolute()}: make the folder writable or choose another one with "
                f"{elsewhere}."
            ) from error
        if number in NO_FOLDER:
            file = getattr(error, "filename", None) or folder.absolute()
            raise DiskError(
                f"{what} needs the folder {folder.absolute()}, but there is a file in its place or above it ({file}): "
                f"remove it or choose another folder with {elsewhere}."
            ) from error
        raise


def _errno(error: OSError | RuntimeError) -> int | None:
    """The system's number of an error; HDF5's library has it in its text alone, whatever kind of error it raises."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = re.search(r"errno = (\d+)", str(error))
    return int(match[1]) if match else None
