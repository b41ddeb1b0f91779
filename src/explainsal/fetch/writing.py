"""Write files in one step, so that a kill or a full disk never leaves a partial file under the final name."""

from __future__ import annotations

import json
import os
import platform
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

PREFIX = ".writing-"  # prefix of unfinished files, before the process and the machine that write them
_MACHINE = f"{zlib.crc32(platform.node().encode()):08x}"


def write_file(path: str | Path, content: str | bytes | memoryview, *, flush: bool = True) -> None:
    r"""Write a file in one step, replacing the old one; create its folder if needed. Text is written as UTF-8.

    Args:
        content: The whole content. Characters that UTF-8 cannot encode (in undecodable file names) become ``\udcXX``.
        flush: See `replaced_file`.

    Raises:
        OSError: If the file system refuses; the old file is untouched.
    """
    data = content.encode(errors="backslashreplace") if isinstance(content, str) else content
    with replaced_file(path, flush=flush) as temporary:
        temporary.write_bytes(data)


def write_json(path: str | Path, value: Any) -> None:
    """Write plain values as indented JSON, as `write_file` does."""
    write_file(path, json.dumps(value, indent=2) + "\n")


def read_json(path: str | Path) -> dict[str, Any] | None:
    """Read a JSON object; None where the file is missing or damaged."""
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def read_yaml(path: Path) -> Any:
    """Read a YAML file of this package."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the compiled one is ten times as fast
    return yaml.load(path.read_text(encoding="utf-8"), Loader=loader)


@contextmanager
def replaced_file(path: str | Path, *, within: Path | None = None, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path with the same suffix; at the end that file replaces `path`.

    After an error the temporary file is removed and the old one is untouched. If several processes write the same file,
    one complete version remains.

    Args:
        within: Folder of the temporary file, on the same disk; by default that of `path`.
        flush: Whether to wait, about 10 ms, until the file is on disk; otherwise it could be empty after a power cut.

    Raises:
        OSError: If the file system refuses.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{os.getpid()}-{_MACHINE}"
    temporary = (within or path.parent) / f"{PREFIX}{writer}-{secrets.token_hex(4)}{path.suffix[:10]}"
    try:
        yield temporary
        if flush:
            _flush(temporary)
        os.replace(temporary, path)
    finally:
        with suppress(OSError):
            temporary.unlink()


def remove_unfinished(folder: str | Path) -> None:
    """Remove unfinished files of killed processes from a folder and below; requires the folder's lock."""
    for left in Path(folder).rglob(f"{PREFIX}*"):
        with suppress(OSError):
            left.unlink()


def remove_abandoned(folder: str | Path) -> None:
    """Remove files of a folder whose writers were killed, while other processes may write there.

    Files that another machine writes are left alone.
    """
    for left in Path(folder).glob(f"{PREFIX}*-{_MACHINE}-*"):
        pid = left.name.removeprefix(PREFIX).partition("-")[0]
        if pid.isdigit() and not _is_running(int(pid)):
            with suppress(OSError):
                left.unlink()


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it belongs to another user
        return True
    return True


def _flush(path: Path) -> None:
    """Wait until a file is on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
