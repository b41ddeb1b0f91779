"""Read arrays of untrusted HDF5 files; too large ones and those stored in other files raise a `CorruptFileError`."""

from __future__ import annotations

import h5py
import numpy as np

from explainsal.errors import CorruptFileError

LARGEST = 1 << 28  # bytes of one array other than a picture; all 4.6 million fixations of SALICON are 37 MB


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return the member of a group with a given name."""
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise _elsewhere(f"{group.file.filename}: {name}")
    return group[name]


def read_values(group: h5py.Group, name: str, *, largest: int = LARGEST) -> np.ndarray:
    """Read an array after checking its size, since a small file can hold gigabytes of zeros."""
    dataset = member(group, name)
    check_stored_here(f"{group.file.filename}: {name}", dataset)
    if dataset.nbytes > largest:
        sides = " x ".join(map(str, dataset.shape))
        raise CorruptFileError(
            f"{group.file.filename}: {name} claims {dataset.nbytes / 1e9:.1f} GB ({sides}), more than the limit of "
            f"{largest / 1e9:.1f} GB"
        )
    return np.asarray(dataset[()])


def check_stored_here(what: str, dataset: h5py.Dataset) -> None:
    """Raise a CorruptFileError if the values of an array are stored in other files, which may not be read."""
    if dataset.external or dataset.is_virtual:
        raise _elsewhere(what)


def _elsewhere(what: str) -> CorruptFileError:
    return CorruptFileError(f"{what} is stored in another file, which is not opened: store the values in this file")
