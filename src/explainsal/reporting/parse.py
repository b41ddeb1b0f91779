"""Read one file of a run, or say in one sentence why it cannot be read."""

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
    ValueError,  # covers JSON, unicode, pandas' ParserError and EmptyDataError, and pickled arrays
    pa.ArrowException,
    zipfile.BadZipFile,
    zlib.error,
)


def read_text(path: Path) -> str:
    """The text of a file."""
    return _read(path, lambda: path.read_text(encoding="utf-8"))


def read_json(path: Path) -> dict[str, Any]:
    """The object that a JSON file holds."""
    content = _read(path, lambda: json.loads(path.read_text(encoding="utf-8")))
    if not isinstance(content, dict):
        raise CorruptFileError(f"{path} should hold a JSON object, not a {type(content).__name__}")
    return content


def read_csv(path: Path, columns: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame:
    """A table whose last line is complete and which has these columns; those in `text` stay strings."""
    # A row that was cut short would be read as one with empty cells: only the missing line end gives it away.
    if not _read(path, path.read_bytes).endswith(b"\n"):
        raise CorruptFileError(f"{path} is cut short: its last line has no end. Delete it and run the command again")
    table = _read(path, lambda: pd.read_csv(path, dtype=dict.fromkeys(text, str)))
    return _with_columns(path, table, columns)


def read_parquet(path: Path, columns: Sequence[str] = (), text: Sequence[str] = ()) -> pd.DataFrame:
    """A table that has these columns; those in `text` become strings."""
    table = _read(path, lambda: pd.read_parquet(path))
    return _with_columns(path, table, columns).astype({name: str for name in text if name in table})


def read_npz(path: Path, required: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """All arrays of an archive, which has at least the `required` ones."""

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
