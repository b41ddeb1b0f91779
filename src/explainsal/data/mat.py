"""MATLAB files, with one clear error for what is no such file, damaged, or of another version."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import scipy.io

from explainsal.errors import CorruptFileError, MissingFilesError, UserError


def read_mat(path: str | Path, remedy: str, stream: IO[bytes] | None = None, **options: Any) -> dict[str, Any]:
    """The variables of a MATLAB file up to version 7.

    Args:
        path: The file.
        remedy: Ends the error message: how to get the file again.
        stream: Its content, where `path` is only what it is called, e.g. in an archive.
        options: Of `scipy.io.loadmat`.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If it is cut short, no MATLAB file, or of version 7.3.
    """
    with mat_errors(path, remedy), nullcontext(stream) if stream is not None else Path(path).open("rb") as opened:
        source: Any = opened  # given a name, SciPy would hide that there is no such file
        content = scipy.io.loadmat(source, **options)
        return {key: value for key, value in content.items() if not key.startswith("__")}


@contextmanager
def mat_errors(path: str | Path, remedy: str) -> Iterator[None]:
    """Turn whatever a damaged MATLAB file raises, or a field that it lacks, into one message that names it.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If anything else went wrong.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such file: {path}. {remedy}") from error
    except NotImplementedError as error:  # scipy's word for version 7.3
        raise CorruptFileError(
            f"{path} is a MATLAB 7.3 file, the published one is of version 5: it was saved again. "
            f"Save it in MATLAB with save(..., '-v7'). {remedy}"
        ) from error
    except Exception as error:  # scipy and h5py raise a dozen kinds for damaged files, zlib.error among them
        what = f"{type(error).__name__}: {error}"
        raise CorruptFileError(
            f"cannot read {path} ({what}): it is damaged or not the published file. {remedy}"
        ) from error
