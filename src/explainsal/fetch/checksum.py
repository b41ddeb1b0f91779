"""Checksums that tell whether a file is the published one."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BLOCK = 1 << 20  # bytes read at a time

Algorithm = Literal["md5", "sha256", "git"]
Advance = Callable[[int], object]  # called with the number of bytes done since the last call


def no_progress(done: int) -> None:
    """Ignore the progress."""


@dataclass(frozen=True)
class Checksum:
    """The published checksum of a file.

    Args:
        algorithm: ``md5``, ``sha256`` or ``git``. ``git`` is the id of the file as a git blob: the SHA-1 of ``blob
            <size>``, a zero byte and the content (``git hash-object FILE``).
        value: Hexadecimal, lower case.

    Raises:
        ValueError: If the value does not have the algorithm's length.

    Example:
        >>> Checksum("git", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")    # an empty file
        Checksum(algorithm='git', value='e69de29bb2d1d6434b8b29ae775ad8c2e48c5391')
    """

    algorithm: Algorithm
    value: str

    def __post_init__(self) -> None:
        if len(self.value) != {"md5": 32, "sha256": 64, "git": 40}[self.algorithm]:
            raise ValueError(f"{self.value!r} is not a {self.algorithm} checksum")

    def __str__(self) -> str:
        return f"{'git blob' if self.algorithm == 'git' else self.algorithm.upper()} {self.value}"

    def of(self, path: Path, advance: Advance = no_progress) -> Checksum:
        """Compute the checksum of a file by the same algorithm.

        Args:
            advance: Called with the number of bytes read, for a progress bar.
        """
        digest = hashlib.new("sha1" if self.algorithm == "git" else self.algorithm, usedforsecurity=False)
        if self.algorithm == "git":
            digest.update(b"blob %d\0" % path.stat().st_size)
        with path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                advance(len(block))
        return Checksum(self.algorithm, digest.hexdigest())
