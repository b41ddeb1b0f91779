"""Read MATLAB files, with one clear error for damaged files and other versions or formats."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any

import scipy.io

from explainsal.errors import CorruptFileError, MissingFilesError, UserError


def read_mat(path: str | Path, remedy: str, stream: IO[bytes] | None = None, **options: Any) -> dict[str, Any]:
    """Read the variables of a MATLAB file up to version 7.

    Args:
        remedy: Advice at the end of the error message, about how to get the file again.
        stream: Content of the file if `path` is only a label, e.g. in an archive.
        options: Options of `scipy.io.loadmat`.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: If the file is damaged, not a MATLAB file, or of version 7.3.
    """
    with mat_errors(path, remedy), nullcontext(stream) if stream is not None else Path(path).open("rb") as opened:
        source: Any = opened  # with a name, SciPy would hide a missing file
        content = scipy.io.loadmat(source, **options)
        return {key: value for key, value in content.items() if not key.startswith("__")}


@contextmanager
def mat_errors(path: str | Path, remedy: str) -> Iterator[None]:
    """Turn any error from a damaged MATLAB file, or from a missing field, into one message that names the file.

    Raises:
        MissingFilesError: If there is no such file.
        CorruptFileError: On any other error.
    """
    try:
        yield
    except UserError:
        raise
    except FileNotFoundError as error:
        raise MissingFilesError(f"no such file: {path}. {remedy}") from error
    except NotImplementedError as error:  # raised by SciPy for version 7.3
        raise CorruptFileError(
            f"{path} is a MATLAB 7.3 file, but the published one has version 5: it was saved again. "
            f"Save it in MATLAB with save(..., '-v7'). {remedy}"
        ) from error
    except Exception as error:  # SciPy and h5py raise many types for damaged files, including zlib.error
        what = f"{type(error).__name__}: {error}"
        raise CorruptFileError(
            f"cannot read {path} ({what}): it is damaged or not the published file. {remedy}"
        ) from error
