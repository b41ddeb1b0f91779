"""A real small disk: a file system in memory of a few kilobytes, which fills up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, *, size: int) -> Iterator[Path]:
    """Mount one at `folder`; the test is skipped where that takes a right which its user lacks."""
    folder.mkdir(parents=True)
    if sys.platform != "linux":
        pytest.skip("a small disk is mounted on Linux only")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True)
    if mount.returncode:
        pytest.skip(f"mounting a small disk takes root: {mount.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; removing the file that is returned makes room again."""
    ballast = disk / "ballast"
    with open(ballast, "wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"x" * 1024)
    return ballast
