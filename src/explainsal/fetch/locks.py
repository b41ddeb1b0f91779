"""File locks that are released whenever the process that holds them ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from explainsal.errors import UserError


@contextmanager
def locked(file: Path, message: str) -> Iterator[None]:
    """Hold a lock while the body runs.

    Args:
        file: The lock file; it stays, empty. Its folder is created if needed.
        message: Error message if another process holds the lock.

    Raises:
        UserError: If another process holds the lock.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(message) from None
    try:
        yield
    finally:
        lock.release()
