"""Locks that end with the process that holds them, however it ends."""

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
        file: The lock; it stays, empty. Its folder is made if needed.
        message: For the user, where another process holds it.

    Raises:
        UserError: If another process holds it.
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
