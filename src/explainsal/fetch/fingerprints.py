"""Compute fingerprints: short texts that change with everything that determines the content of a file.

Everything that resumes or caches uses these: parsed tables and shrunk images, maps of a prediction, rows of a
table, jobs of a sweep, stages of a distillation.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from explainsal.errors import MissingFilesError


def fingerprint(settings: Any) -> str:
    """Return sixteen hexadecimal digits that identify plain values: numbers, texts, lists, dictionaries.

    Example:
        >>> fingerprint({"top_k": 10, "ridge": 0}) == fingerprint({"ridge": 0, "top_k": 10})
        True
    """
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()[:16]


def fingerprint_files(files: Iterable[str | Path]) -> str:
    """Return sixteen hexadecimal digits that identify the names, sizes and modification times of files.

    Raises:
        MissingFilesError: If a file is missing.
    """
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(map(str, files)):
        try:
            digest.update(_describe(path, os.path.basename(path)))
        except FileNotFoundError as error:
            raise MissingFilesError(f"no such file: {path}") from error
    return digest.hexdigest()


def fingerprint_content(path: Path) -> str | None:
    """Return the SHA-256 of a file, or of the names, sizes and times of all files in a folder.

    Hidden files such as ``.explainsal``, which holds caches, are ignored.

    Returns:
        Hexadecimal digits; None if the path does not exist.
    """
    if path.is_file():
        return sha256(path)
    if not path.is_dir():
        return None
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(path, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(name for name in files if not name.startswith(".")):
            file = os.path.join(folder, name)
            digest.update(_describe(file, os.path.relpath(file, path)))
    return digest.hexdigest()


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_changes(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> list[str]:
    """Return the names of the settings that differ between a stored record (JSON) and the current ones.

    Example:
        >>> find_changes({"size": [3, 4], "seed": 0}, {"size": (3, 4), "seed": 1, "mode": "a"})
        ['seed', 'mode']
    """
    old, new = old or {}, json.loads(json.dumps(new, default=str))
    return [name for name in {**old, **new} if old.get(name) != new.get(name)]


def _describe(path: str, name: str) -> bytes:
    stat = os.stat(path)
    return f"{name}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode(errors="surrogateescape")
