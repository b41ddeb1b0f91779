"""Check for free disk space before writing, and report write errors as one message."""

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


class DiskError(UserError):
    """The disk is full or not writable; another source of the same file does not help."""


def human(size: float) -> str:
    """Format a number of bytes with a unit.

    Example:
        >>> human(3_000_000_000), human(44.4e6), human(999)
        ('3.0 GB', '44.4 MB', '999 bytes')
    """
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size:.0f} bytes"


def require_space(folder: Path, needed: int, what: str) -> None:
    """Raise a DiskError if disk space is insufficient.

    Args:
        folder: Target folder; it need not exist yet.
        needed: Required space in bytes.
        what: Activity for the message, e.g. ``unpacking DATA.zip``.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed + MARGIN > free:
        raise DiskError(
            f"{what} needs {human(needed)} in {folder.absolute()}, but only {human(free)} are free. "
            f"Free some space, or choose another disk."
        )


@contextmanager
def full_disk_is_reported(what: str, folder: Path) -> Iterator[None]:
    """Turn the system's and HDF5's errors about full disks and unwritable folders into one message.

    Args:
        what: Activity for the message, e.g. ``unpacking DATA.zip``.

    Raises:
        DiskError: In place of such an error; finished files are kept.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        number = _errno(error)
        if number in FULL:
            raise DiskError(
                f"the disk is full while {what} in {folder.absolute()}. Finished files are kept: free some space, then "
                "run the same command again to resume."
            ) from error
        if number in FORBIDDEN:
            raise DiskError(
                f"no permission for {what} in {folder.absolute()}: make the folder writable or choose another one."
            ) from error
        if number in NO_FOLDER:
            file = getattr(error, "filename", None) or folder.absolute()
            raise DiskError(
                f"{what} needs the folder {folder.absolute()}, but a file blocks its path ({file}): "
                f"remove it or choose another folder."
            ) from error
        raise


def _errno(error: OSError | RuntimeError) -> int | None:
    """Return the system's error number; HDF5 states it only in the message of its errors."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = re.search(r"errno = (\d+)", str(error))
    return int(match[1]) if match else None
