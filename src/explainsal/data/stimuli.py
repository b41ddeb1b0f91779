"""Provide the pictures of a pysaliency stimuli file as picture files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from explainsal.data.listing import refuse_clashes
from explainsal.data.pysaliency_hdf5 import read_picture, read_stimuli
from explainsal.errors import MissingFilesError, UserError
from explainsal.fetch.fingerprints import fingerprint_files
from explainsal.fetch.writing import write_file


def stimuli_files(path: Path, folder: Path) -> dict[str, str]:
    """Map ids to picture files, in the order of the stimuli.

    Ids are paths without suffix and common folders; pictures stored in the HDF5 file are numbered.

    Args:
        path: An HDF5 file of stimuli.
        folder: Target folder for pictures stored in the file, which are written once as PNG.

    Raises:
        MissingFilesError: If a named picture is missing.
        UserError: If two names differ only in letter case or suffix, or the pictures cannot be written.
    """
    stimuli = read_stimuli(path)
    if stimuli.pictures:
        return _extracted(path, stimuli.pictures, folder)
    absent = [file for file in stimuli.files if not Path(file).is_file()]
    if absent:
        raise MissingFilesError(f"{path} names {len(absent)} missing pictures, first {absent[0]}")
    common = Path(_common_folder(stimuli.files))
    files = {Path(os.path.abspath(file)).relative_to(common).with_suffix("").as_posix(): file for file in stimuli.files}
    refuse_clashes(stimuli.files)
    return files


def _common_folder(files: Sequence[str]) -> str:
    """Return the deepest folder that contains all files."""
    return os.path.commonpath([os.path.dirname(os.path.abspath(file)) for file in files])


def _extracted(path: Path, count: int, folder: Path) -> dict[str, str]:
    """Write the pictures stored in a file once as PNG into the cache; return their paths."""
    folder = folder / f"stimuli-{fingerprint_files([path])}"
    files = {f"{number:0{len(str(count - 1))}d}": str(folder / f"{number}.png") for number in range(count)}
    for number, file in enumerate(files.values()):
        if not Path(file).is_file():
            _write_png(Path(file), read_picture(path, number))
    return files


def _write_png(path: Path, picture: np.ndarray) -> None:
    encoded = cv2.imencode(".png", picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1]
    try:
        write_file(path, encoded.tobytes())
    except OSError as error:
        raise UserError(
            f"cannot unpack the stimuli to {path}: {error.strerror}. Choose a folder with data.cache=FOLDER"
        ) from error
