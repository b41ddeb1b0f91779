"""Maps by name in a folder, an archive (zip, tar) or an HDF5 file: nothing is unpacked, one map is read at a time."""

from __future__ import annotations

import tarfile
import zipfile
from abc import ABC, abstractmethod
from functools import cached_property
from io import BytesIO
from pathlib import Path, PurePosixPath

import h5py
import numpy as np

from explainsal.data.decoding import read_stored, read_variables
from explainsal.data.listing import files_below, is_junk
from explainsal.data.mat import mat_errors
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
ARRAYS = (".npy", ".npz", ".mat")
HDF5 = (".h5", ".hdf5", ".hdf")
TAR = (".tar", ".tgz", ".tar.gz")
_LARGEST = 1 << 30  # bytes of a map in an archive; what claims more is damaged or a bomb
_REMEDY = "Write it again."


class MapFiles(ABC):
    """Maps by name.

    Args:
        path: The folder, archive or HDF5 file that holds them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @abstractmethod
    def names(self) -> list[str]:
        """Of all maps, sorted, with slashes between folders.

        Raises:
            CorruptFileError: If the file is damaged.
        """

    @abstractmethod
    def read(self, name: str) -> np.ndarray:
        """One map as it is stored: of any shape and type.

        Raises:
            CorruptFileError: If it cannot be read, or a file of arrays does not hold one map.
        """

    def say(self, name: str) -> str:
        """How a message calls a map."""
        return f"{self.path}: {name}"


class FolderOfMaps(MapFiles):
    """Pictures and arrays below a folder; hidden files are passed over."""

    def names(self) -> list[str]:
        """Paths below the folder."""
        return [Path(file).relative_to(self.path).as_posix() for file in files_below(self.path, (*PICTURES, *ARRAYS))]

    def read(self, name: str) -> np.ndarray:
        """The map in one file."""
        return _map_in(self.path / name)

    def say(self, name: str) -> str:
        """The file."""
        return str(self.path / name)


class HDF5OfMaps(MapFiles):
    """One data set per map, in groups or not, as pysaliency writes them."""

    def names(self) -> list[str]:
        """Paths of the data sets that have two or three sides."""
        names: list[str] = []
        with self._opened() as file, mat_errors(self.path, _REMEDY):
            file.visititems(lambda name, item: names.append(name) if _is_map(item) else None)
        return sorted(names)

    def read(self, name: str) -> np.ndarray:
        """One data set."""
        with self._opened() as file, mat_errors(self.path, f"Write {name} again."):
            return np.asarray(file[name])

    def _opened(self) -> h5py.File:
        with mat_errors(self.path, "Write the file again."):
            return h5py.File(self.path, "r")


class ZipOfMaps(MapFiles):
    """Pictures and arrays in a zip archive; what operating systems leave there is passed over."""

    def names(self) -> list[str]:
        """Paths in the archive."""
        return sorted(name for name in self._archive.namelist() if _is_wanted(name))

    def read(self, name: str) -> np.ndarray:
        """The map in one file."""
        with mat_errors(f"{self.path}: {name}", _REMEDY):
            _check_size(self.say(name), self._archive.getinfo(name).file_size)
            return _map_in(self.say(name), self._archive.read(name))

    @cached_property
    def _archive(self) -> zipfile.ZipFile:
        with mat_errors(self.path, _REMEDY):
            return zipfile.ZipFile(self.path)


class TarOfMaps(MapFiles):
    """Pictures and arrays in a tar archive, compressed or not."""

    def names(self) -> list[str]:
        """Paths in the archive."""
        return sorted(self._members)

    def read(self, name: str) -> np.ndarray:
        """The map in one file."""
        with mat_errors(f"{self.path}: {name}", _REMEDY):
            _check_size(self.say(name), self._members[name].size)
            content = self._archive.extractfile(self._members[name])
            assert content is not None
            return _map_in(self.say(name), content.read())

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
    """The maps in a folder, an archive or an HDF5 file.

    Raises:
        MissingFilesError: If there is nothing there.
        UserError: If it is a file of another kind.
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
            f"predictions={path}: {path.suffix} archives cannot be opened here, for want of a free library: unpack it "
            "and give the folder, or pack the maps as .zip, which the benchmark takes as well"
        )
    kinds = ", ".join((*HDF5, ".zip", *TAR))
    raise UserError(f"predictions={path}: give a folder of maps, or one file of them ({kinds})")


def _map_in(path: str | Path, content: bytes | None = None) -> np.ndarray:
    """The map in a picture or a file of arrays; `content` is the file's where `path` is only what it is called."""
    if Path(path).suffix.lower() not in ARRAYS:
        return read_stored(path, content)
    variables = read_variables(path, _REMEDY, None if content is None else BytesIO(content))
    if "" in variables:
        return variables[""]
    maps = {name: value for name, value in variables.items() if np.ndim(np.squeeze(value)) == 2}
    if len(maps) != 1:
        raise CorruptFileError(f"{path} holds {len(maps)} maps ({', '.join(maps) or 'none'}): a file is to hold one")
    return next(iter(maps.values()))


def _check_size(what: str, size: int) -> None:
    if size > _LARGEST:
        raise CorruptFileError(f"{what} claims to be {size / 1e9:.1f} GB large: that is no map")


def _is_wanted(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in (*PICTURES, *ARRAYS) and not any(map(is_junk, (p for p in path.parts if p != ".")))


def _is_map(item: object) -> bool:
    return isinstance(item, h5py.Dataset) and len([n for n in item.shape if n > 1]) in (2, 3)
