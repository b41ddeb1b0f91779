"""Maps written one by one, each atomically, and combined into one file when all are complete.

Finished maps are in ``<file>.parts/`` and survive ``kill -9``, a full disk and Ctrl-C. The file itself is created at
the end, in one step, with a card ``<file>.json`` that describes its recipe.
"""

from __future__ import annotations

import json
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np

from explainsal.errors import UserError
from explainsal.fetch.disk import full_disk_is_reported, require_space
from explainsal.fetch.fingerprints import find_changes
from explainsal.fetch.locks import locked
from explainsal.fetch.writing import read_json, remove_unfinished, replaced_file, write_file
from explainsal.reporting.submissions.form import FileType, Submission

Track = Callable[[Iterable[Path]], Iterable[Path]]
RECIPE = "recipe.json"
_DAY = (2020, 1, 1, 0, 0, 0)  # date of the files in a zip archive: the same maps give the same archive


class WrittenMaps:
    """A partially or completely written file or folder of maps.

    Args:
        path: Final path; ``<path>.parts`` holds the maps until all are complete.
        names: Names of the maps in it, one per image.
        form: Format of the file.
        recipe: Settings of the maps, as plain values. Partial output is resumed only with identical settings.
        option: Option by which the user chooses another path, for messages.
        comment: Remark on the maps, e.g. ``untrained weights``; written into every PNG, HDF5 and zip file.

    Raises:
        UserError: If complete or partial output exists and was made with other settings.
    """

    def __init__(
        self,
        path: Path,
        names: Sequence[str],
        form: Submission,
        recipe: Mapping[str, Any],
        *,
        option: str = "submission.to=FILE",
        comment: str = "",
    ) -> None:
        self.path, self.form, self.names, self.option, self.comment = path, form, list(names), option, comment
        self.parts = path.with_name(f"{path.name}.parts")
        self.card = path.with_name(f"{path.name}.json")
        self.recipe = json.loads(json.dumps(dict(recipe), default=str))
        self._files = [self.parts / (f"{name}.part" if form.file == "hdf5" else name) for name in self.names]
        if self.path.exists() and not _is_empty(self.path):
            self._refuse_another(self.card)
            if not self.card.is_file() and not self.parts.is_dir():
                raise UserError(
                    f"{self.path} exists and was not written by this command: choose another place with {self.option}"
                )
        if self.finished:
            shutil.rmtree(self.parts, ignore_errors=True)  # left by a process that was killed at the very end
        self._refuse_another(self.parts / RECIPE)

    @property
    def finished(self) -> bool:
        """Return whether the file is complete; a folder is complete if it holds every map."""
        return self.path.exists() and self.card.is_file() and not self._removed() and not _is_empty(self.path)

    def missing(self) -> list[int]:
        """Return the positions of the images without a map."""
        if self.finished:
            return []
        return self._removed() or [i for i, file in enumerate(self._files) if not file.is_file()]

    def begin(self, sizes: Sequence[tuple[int, int]]) -> None:
        """Create the folder of parts, or continue in it.

        Args:
            sizes: Height and width of every map.

        Raises:
            UserError: If the disk has too little space for the maps, or the folder is not writable.
        """
        with full_disk_is_reported(f"writing {self.path.name}", self.path.parent):
            if self._removed():
                self.path.replace(self.parts)
            self.parts.mkdir(parents=True, exist_ok=True)
            remove_unfinished(self.parts)
            write_file(self.parts / RECIPE, json.dumps(self.recipe, indent=1).encode())
        if self.form.file != "png":
            needed = sum(sizes[i][0] * sizes[i][1] * 4 for i in self.missing())
            require_space(self.path.parent, needed, f"writing {self.path.name}")

    def write(self, index: int, values: np.ndarray) -> None:
        """Write the map ``(H, W)`` of one image.

        Raises:
            UserError: If the map holds NaN, the disk is full or not writable. Finished maps are kept.
        """
        if np.isnan(values).any() or np.isposinf(values).any():
            raise UserError(f"the model's map of {self.names[index]} holds NaN or infinity: check its weights")
        content = encode(self.names[index], values, self.form.file, self.comment)
        with full_disk_is_reported(f"writing {self.path.name}", self.path.parent):
            write_file(self._files[index], content)

    def finish(self, track: Track = iter) -> None:
        """Combine the parts into the file, and remove them.

        Args:
            track: Wraps the loop over the parts, to show progress.

        Raises:
            UserError: If the disk is full; the parts are kept.
        """
        total = sum(file.stat().st_size for file in self._files)
        with full_disk_is_reported(f"writing {self.path.name}", self.path.parent):
            if self.form.suffix:
                require_space(self.path.parent, total, f"writing {self.path.name}")
                make = _collect_hdf5 if self.form.file == "hdf5" else _collect_zip
                with replaced_file(self.path, within=self.parts) as temporary:  # `begin` removes files left by a kill
                    make(temporary, self.names, track(self._files), self.comment)
                write_file(self.card, json.dumps(self.recipe, indent=1).encode())
                shutil.rmtree(self.parts)
            else:
                write_file(self.card, json.dumps(self.recipe, indent=1).encode())
                (self.parts / RECIPE).unlink()
                self.parts.replace(self.path)

    def _removed(self) -> list[int]:
        """Return the positions of the images whose map was removed from a finished folder."""
        if self.form.suffix or not self.path.is_dir() or not self.card.is_file() or self.parts.is_dir():
            return []
        return [i for i, name in enumerate(self.names) if not (self.path / name).is_file()]

    def _refuse_another(self, place: Path) -> None:
        """Raise if existing output was made with another recipe."""
        if not place.is_file():
            return
        there = read_json(place) or {}
        if differ := find_changes(there, self.recipe):
            changes = ", ".join(f"{key} ({there.get(key)}, now {self.recipe.get(key)})" for key in differ)
            raise UserError(
                f"{place.parent if place.name == RECIPE else self.path} was made in another way: {changes}. "
                f"Remove it, or choose another place with {self.option}"
            )


@contextmanager
def only_writer(path: Path, option: str = "submission.to=FILE") -> Iterator[None]:
    """Lock the maps against other processes within the block; remove unfinished files of killed processes.

    Args:
        option: Option by which the user chooses another path, for the message.

    Raises:
        UserError: If another process is writing them.
    """
    message = f"another process is writing {path}: wait for it, or choose another place with {option}"
    with locked(path.with_name(f".{path.name}.lock"), message):
        yield


def _is_empty(path: Path) -> bool:
    """Return whether the path is an empty folder."""
    return path.is_dir() and not any(path.iterdir())


def encode(name: str, values: np.ndarray, file: FileType, comment: str = "") -> bytes:
    """Return the content of the file of one map ``(H, W)``.

    An HDF5 file holds it under `name`, float32, compressed losslessly; ``npy`` is float32; ``png`` has 8 bits and the
    maximum at 255, and the comment as a text chunk. ``npy`` cannot store a comment.

    Raises:
        UserError: If the name cannot be stored in an HDF5 file.
    """
    if file == "png":
        peak = float(values.max())
        gray = np.rint(values.clip(min=0) * (255 / peak if peak > 0 else 0)).astype(np.uint8)
        return _with_comment(bytes(cv2.imencode(".png", gray)[1]), comment)
    stream = BytesIO()
    if file == "npy":
        np.save(stream, values.astype(np.float32))
        return stream.getvalue()
    try:
        with h5py.File(stream, "w") as part:
            part.create_dataset(name, data=values.astype(np.float32), compression="gzip", shuffle=True)
    except UnicodeEncodeError:
        raise UserError(
            f"the file name {name!r} is not in UTF-8 and cannot be stored in an HDF5 file: rename it"
        ) from None
    return stream.getvalue()


def write_map(path: Path, saliency_map: np.ndarray, comment: str = "") -> None:
    """Write one map ``(H, W)`` atomically to its own file, ``.png`` or ``.npy``, see `encode`.

    Raises:
        UserError: If the disk is full or not writable.
    """
    with full_disk_is_reported(f"writing {path.name}", path.parent):
        write_file(path, encode(path.name, saliency_map, "png" if path.suffix == ".png" else "npy", comment))


def _with_comment(png: bytes, comment: str) -> bytes:
    """Add a text chunk ``Comment`` after a PNG's header, which viewers and ``PIL.Image.open(file).text`` show."""
    if not comment:
        return png
    text = b"tEXtComment\0" + comment.encode("latin-1")
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    header = 8 + 25  # signature and IHDR chunk
    return png[:header] + chunk + png[header:]


def _collect_hdf5(target: Path, names: Sequence[str], parts: Iterable[Path], comment: str) -> None:
    """Copy the compressed data sets unchanged, one after the other."""
    with h5py.File(target, "w") as whole:
        if comment:
            whole.attrs["comment"] = comment
        for name, file in zip(names, parts, strict=True):
            with h5py.File(file, "r") as part:
                part.copy(name, whole.require_group(name.rpartition("/")[0] or "/"))


def _collect_zip(target: Path, names: Sequence[str], parts: Iterable[Path], comment: str) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        archive.comment = comment.encode()
        for name, file in zip(names, parts, strict=True):
            kind = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name, _DAY), file.read_bytes(), kind)
