"""Read maps by name from a folder, an archive (zip, tar) or an HDF5 file, one at a time and without unpacking.

The size in a file's header is checked before its values are read, since a small file can hold gigabytes of zeros.
Damaged files, and files that do not hold exactly one map, raise a `CorruptFileError`.
"""

from __future__ import annotations

import math
import tarfile
import zipfile
from abc import ABC, abstractmethod
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import IO

import h5py
import numpy as np

from explainsal.data.decoding import read_stored, read_variable
from explainsal.data.hdf5 import check_stored_here, member
from explainsal.data.headers import Accept, array_headers, check_pixels, picture_size
from explainsal.data.listing import files_below, is_junk
from explainsal.data.mat import mat_errors
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy", ".npz", ".mat")
HDF5 = (".h5", ".hdf5", ".hdf")
TAR = (".tar", ".tgz", ".tar.gz")
_SMALL = 64 << 20  # archived files up to this many bytes are read without checking their header
_REMEDY = "Write it again."


class MapFiles(ABC):
    """Collection of maps by name.

    Args:
        path: Folder, archive or HDF5 file of the maps.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> list[str]:
        """Return the names of all maps, sorted, with slashes between folders."""

    @abstractmethod
    def read(self, name: str, accept: Accept | None = None) -> np.ndarray:
        """Read one map as stored, of any shape and type.

        Args:
            accept: Function called with the shape in the header before the values are read.
        """

    def say(self, name: str) -> str:
        """Return the name of a map for messages."""
        return f"{self.path}: {name}"


class FolderOfMaps(MapFiles):
    """Pictures and arrays below a folder, without hidden files."""

    def names(self) -> list[str]:
        """Return paths below the folder."""
        return [Path(file).relative_to(self.path).as_posix() for file in files_below(self.path, (*PICTURES, *ARRAYS))]

    def read(self, name: str, accept: Accept | None = None) -> np.ndarray:
        """Read the map in one file."""
        return _map_in(self.path / name, accept)

    def say(self, name: str) -> str:
        """Return the path of the file."""
        return str(self.path / name)


class HDF5OfMaps(MapFiles):
    """HDF5 file with one data set per map, in groups or not, as pysaliency writes them."""

    def names(self) -> list[str]:
        """Return paths of the data sets with two or three dimensions."""
        names: list[str] = []
        with self._opened() as file, mat_errors(self.path, _REMEDY):
            file.visititems(lambda name, item: names.append(name) if _is_map(item) else None)
        return sorted(names)

    def read(self, name: str, accept: Accept | None = None) -> np.ndarray:
        """Read one data set."""
        with self._opened() as file, mat_errors(self.path, f"Write {name} again."):
            dataset = member(file, name)
            check_stored_here(self.say(name), dataset)
            check_pixels(self.say(name), dataset.shape)
            if accept is not None:
                accept(dataset.shape)
            return np.asarray(dataset)

    def _opened(self) -> h5py.File:
        with mat_errors(self.path, "Write the file again."):
            return h5py.File(self.path, "r")


class ZipOfMaps(MapFiles):
    """Pictures and arrays in a zip archive, without leftovers of operating systems."""

    def names(self) -> list[str]:
        """Return paths in the archive."""
        return sorted(name for name in self._archive.namelist() if _is_wanted(name))

    def read(self, name: str, accept: Accept | None = None) -> np.ndarray:
        """Read the map in one file."""
        with mat_errors(f"{self.path}: {name}", _REMEDY), self._archive.open(name) as member:
            return _map_in_archive(self.say(name), member, self._archive.getinfo(name).file_size, accept)

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        with mat_errors(self.path, _REMEDY):
            return zipfile.ZipFile(self.path)


class TarOfMaps(MapFiles):
    """Pictures and arrays in a tar archive, compressed or not."""

    def names(self) -> list[str]:
        """Return paths in the archive."""
        return sorted(self._members)

    def read(self, name: str, accept: Accept | None = None) -> np.ndarray:
        """Read the map in one file."""
        with mat_errors(f"{self.path}: {name}", _REMEDY):
            member = self._archive.extractfile(self._members[name])
            assert member is not None
            return _map_in_archive(self.say(name), member, self._members[name].size, accept)

    @cached_property
    def _archive(self) -> tarfile.TarFile:
        with mat_errors(self.path, _REMEDY):
            return tarfile.open(self.path)

    @cached_property
    def _members(self) -> dict[str, tarfile.TarInfo]:
        with mat_errors(self.path, _REMEDY):
            return {
                item.name.removeprefix("./"): item for item in self._archive if item.isfile() and _is_wanted(item.name)
            }


def open_maps(path: str | Path) -> MapFiles:
    """Open the maps in a folder, an archive or an HDF5 file.

    Raises:
        MissingFilesError: If the path does not exist.
        UserError: If the file has another format.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFilesError(f"predictions={path}: no such folder or file (from {Path.cwd()})")
    name = path.name.lower()
    if path.is_dir():
        return FolderOfMaps(path)
    if name.endswith(HDF5):
        return HDF5OfMaps(path)
    if name.endswith(".zip"):
        return ZipOfMaps(path)
    if name.endswith(TAR):
        return TarOfMaps(path)
    if name.endswith((".rar", ".7z")):
        raise UserError(
            f"predictions={path}: {path.suffix} archives are not supported, since no free library reads them: unpack "
            "it and give the folder, or pack the maps as .zip, which the benchmark accepts as well"
        )
    kinds = ", ".join((*HDF5, ".zip", *TAR))
    raise UserError(f"predictions={path}: give a folder of maps, or one file with maps ({kinds})")


def _map_in_archive(what: str, member: IO[bytes], size: int, accept: Accept | None) -> np.ndarray:
    """Read the map in one file of an archive.

    Args:
        what: Name of the file for messages, with its suffix.
        size: Size in bytes that the archive states.
        accept: See `MapFiles.read`.
    """
    if size > _SMALL:  # check the header before unpacking
        shape = picture_size(member) if _is_picture(what) else _only_map(what, member)[1]
        _check_shape(what, shape, accept)
        if size > _SMALL + 16 * math.prod(shape):
            raise CorruptFileError(f"{what} has {size / 1e6:.0f} MB for a map of {shape}: {_REMEDY}")
        member.seek(0)
    return _map_in(what, accept, member.read())


def _map_in(path: str | Path, accept: Accept | None, content: bytes | None = None) -> np.ndarray:
    """Read the map in a picture or array file; `content` holds its bytes if `path` is only a label."""
    if _is_picture(path):
        return read_stored(path, accept, content)
    with mat_errors(path, _REMEDY):
        name, shape = _only_map(path, None if content is None else BytesIO(content))
    _check_shape(path, shape, accept)
    return read_variable(path, name, _REMEDY, None if content is None else BytesIO(content))


def _only_map(path: str | Path, stream: IO[bytes] | None) -> tuple[str, tuple[int, ...]]:
    """Return name and shape of the only map in an array file."""
    maps = {
        name: header.shape
        for name, header in array_headers(path, stream).items()
        if name == "" or (header.numeric and len([side for side in header.shape if side != 1]) == 2)
    }
    if len(maps) != 1:
        raise CorruptFileError(f"{path} holds {len(maps)} maps ({', '.join(maps) or 'none'}), not exactly one")
    return next(iter(maps.items()))


def _is_picture(path: str | Path) -> bool:
    return Path(path).suffix.lower() not in ARRAYS


def _check_shape(what: str | Path, shape: tuple[int, ...], accept: Accept | None) -> None:
    check_pixels(what, shape)
    if accept is not None:
        accept(shape)


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in (*PICTURES, *ARRAYS) and not any(map(is_junk, (p for p in path.parts if p != ".")))


def _is_map(item: object) -> bool:
    return isinstance(item, h5py.Dataset) and len([n for n in item.shape if n > 1]) in (2, 3)
