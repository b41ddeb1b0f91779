"""Readers of single files of a run, with one-sentence errors for files that cannot be read."""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa

from explainsal.errors import CorruptFileError

T = TypeVar("T")

UNREADABLE = (
    EOFError,
    KeyError,
    OSError,
    ValueError,  # includes errors of JSON, unicode and pandas, and pickled arrays
    pa.ArrowException,
    zipfile.BadZipFile,
    zlib.error,
)


def read_text(path: Path) -> str:
    """Return the text of a file."""
    return _read(path, lambda: path.read_text(encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    content = _read(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} should hold a JSON object, not a {type(content).__name__}")
    return content


def read_csv(path: Path, columns: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table, and check for its columns and for a complete last line; columns in `text` stay strings."""
    # pandas reads a truncated row as a row with empty cells; only the missing line end reveals it.
    if not _read(path, path.read_bytes).endswith(b"\n"):
        raise CorruptFileError(f"{path} is cut short: its last line is incomplete. Delete it and run the command again")
    table = _read(path, lambda: pd.read_csv(path, dtype=dict.fromkeys(text, str)))
    return _with_columns(path, table, columns)


def read_parquet(path: Path, columns: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a table, and check for its columns; columns in `text` become strings."""
    table = _read(path, lambda: pd.read_parquet(path))
    return _with_columns(path, table, columns).astype({name: str for name in text if name in table})


def read_npz(path: Path, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return all arrays of an archive, and check for the `required` ones."""

    def load() -> dict[str, np.ndarray]:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}

    arrays = _read(path, load)
    absent = [name for name in required if name not in arrays]
    if absent:
        raise CorruptFileError(f"{path} holds no array named {', '.join(absent)}; it has {sorted(arrays)}")
    return arrays


def _read(path: Path, load: Callable[[], T]) -> T:
    try:
        return load()
    except UNREADABLE as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise CorruptFileError(f"cannot read {path} ({reason}). Delete it and run the command that wrote it") from error


def _with_columns(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    absent = [name for name in columns if name not in table]
    if absent:
        raise CorruptFileError(f"{path} has no column {', '.join(absent)}; it has {', '.join(map(str, table.columns))}")
    return table
