"""From a path to variables, whichever of TensorFlow's formats lies there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from explainsal.errors import CorruptFileError
from explainsal.models.tensorflow.checkpoint import checkpoint_variables
from explainsal.models.tensorflow.graph import graph_constants


def is_tensorflow(path: str | Path) -> bool:
    """Whether a path names a weight file of TensorFlow, rather than a file of torch's.

    Example:
        >>> is_tensorflow("model_salicon_cpu.pb"), is_tensorflow("outputs/best.ckpt")
        (True, False)
    """
    return source_file(path).suffix == ".pb" or source_file(path).name.endswith(".index")


def source_file(path: str | Path) -> Path:
    """The file that decides: a SavedModel's graph, a checkpoint's index, or the path itself.

    A checkpoint goes by its prefix (``x.ckpt``, where there is no such file but ``x.ckpt.index``) or any of its files.
    """
    path = Path(path)
    if path.is_dir():
        return path / "saved_model.pb"
    prefix = _prefix(path)
    index = prefix.with_name(f"{prefix.name}.index")
    return index if prefix != path or (index.is_file() and not path.is_file()) else path


def read_variables(path: str | Path, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Read variables by name from a frozen graph, a frozen SavedModel or a checkpoint; nothing in it is executed.

    Args:
        path: A ``.pb`` file, a SavedModel's folder, or a checkpoint's prefix.
        wanted: Names without ``:0``, e.g. ``"conv1/conv1_1/kernel"``.

    Returns:
        Those that are there, float32, in TensorFlow's layout.

    Raises:
        CorruptFileError: If the file is damaged or of another format.
        MissingFilesError: If a part of a checkpoint is not there.
    """
    source = source_file(path)
    try:
        if source.suffix == ".pb":
            return graph_constants(memoryview(source.read_bytes()), wanted)
        return checkpoint_variables(_prefix(source), wanted)
    except (ValueError, OverflowError) as error:
        raise CorruptFileError(
            f"{source} cannot be read as a weight file of TensorFlow: {error}. Copy it again and compare its checksum."
        ) from error


def _prefix(path: Path) -> Path:
    """A checkpoint's path without the endings of its files."""
    stem, dot, _ = path.name.rpartition(".data-")
    return path.with_name(stem) if dot else path.with_name(path.name.removesuffix(".index"))
