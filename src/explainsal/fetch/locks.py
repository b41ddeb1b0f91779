"""File locks that are released whenever the process that holds them ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from explainsal.errors import UserError

log = logging.getLogger(__name__)


@contextmanager
def locked(file: Path, message: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock while the body runs.

    Args:
        file: The lock file; it stays, empty. Its folder is created if needed.
        message: Error or warning if another process holds the lock.
        wait: Whether to wait for another process that holds the lock.

    Raises:
        UserError: If another process holds the lock and `wait` is false.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file)
    try:
        held = lock.acquire(timeout=0)
    except Timeout:
        if not wait:
            raise UserError(message) from None
        log.warning(message)
        held = lock.acquire()
    with held:
        yield
