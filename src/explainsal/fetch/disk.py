"""Room on a disk, before and while something is written."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from explainsal.errors import UserError

MARGIN = 64 << 20  # bytes that stay free: a completely full disk breaks other programs
ELSEWHERE = "data.root=FOLDER or paths.data=FOLDER"


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
        UserError: If there is less room than that.
    """
    existing = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(existing).free
    if needed + MARGIN > free:
        raise UserError(
            f"{what} needs {human(needed)} in {folder.absolute()}, where {human(free)} are free. "
            f"Make room, or choose another disk with {elsewhere}."
        )


@contextmanager
def full_disk_is_reported(what: str, folder: Path, elsewhere: str = ELSEWHERE) -> Iterator[None]:
    """One message in place of an OSError when the disk fills up or the folder may not be written.

    Args:
        what: For the message, e.g. ``unpacking DATA.zip``.
        folder: Where it is written.
        elsewhere: The options that choose another place.

    Raises:
        UserError: In that case; what was finished stays.
    """
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(
                f"the disk is full while {what} in {folder.absolute()}. What was finished is kept: make room, then run "
                "the same command again, it goes on from there."
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(
                f"no permission for {what} in {folder.absolute()}: make the folder writable or choose another one with "
                f"{elsewhere}."
            ) from error
        raise
