"""HDF5 files that others wrote: values of a believable size, from the file itself."""

from __future__ import annotations

import h5py
import numpy as np

from explainsal.errors import CorruptFileError

LARGEST = 1 << 28  # bytes of one array that is no picture: all 4.6 million fixations of SALICON are 37 MB


def member(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """What a group holds under a name.

    Raises:
        KeyError: If there is nothing.
        CorruptFileError: If it lies in another file.
    """
    if isinstance(group.get(name, getlink=True), h5py.ExternalLink):
        raise _elsewhere(f"{group.file.filename}: {name}")
    return group[name]


def read_values(group: h5py.Group, name: str, *, largest: int = LARGEST) -> np.ndarray:
    """The values of an array, whose size is looked at first: a small file can hold gigabytes of zeros.

    Raises:
        KeyError: If there is no array of this name.
        CorruptFileError: If it has more than `largest` bytes, or they lie in another file.
    """
    dataset = member(group, name)
    check_stored_here(f"{group.file.filename}: {name}", dataset)
    if dataset.nbytes > largest:
        sides = " x ".join(map(str, dataset.shape))
        raise CorruptFileError(
            f"{group.file.filename}: {name} claims to be {dataset.nbytes / 1e9:.1f} GB large ({sides}), more than the "
            f"{largest / 1e9:.1f} GB that are read"
        )
    return np.asarray(dataset[()])


def check_stored_here(what: str, dataset: h5py.Dataset) -> None:
    """Refuse an array whose values lie in other files: what is read is the file that was given.

    Raises:
        CorruptFileError: If they do.
    """
    if dataset.external or dataset.is_virtual:
        raise _elsewhere(what)


def _elsewhere(what: str) -> CorruptFileError:
    return CorruptFileError(f"{what} lies in another file, which is not opened: store the values in this one")
