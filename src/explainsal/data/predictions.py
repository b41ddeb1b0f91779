"""Match saliency maps from another tool to the images of a data set, and check them before scoring."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from explainsal.data.map_files import open_maps
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

LEVELS_FEW = 32  # with fewer distinct values, ranks are mostly ties
ASPECT = 0.02  # tolerance of width / height relative to the image
ENLARGED = 8  # maximum ratio of a map's sides to those of its image
_LOG_MASS = 0.01  # tolerance of the log of a log-density's total mass

Track = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Checked:
    """Properties of the maps.

    Args:
        log_density: Whether the maps are log-densities: below 0, with exponentials that sum to 1.
        resized: Number of maps that differ in size from their image.
        notes: Remarks for readers of the scores, one line each.
    """

    log_density: bool
    resized: int
    notes: tuple[str, ...]


class Predictions:
    """Folder or archive (PNG, JPEG, npy, npz, mat) or HDF5 file with one map per image, named like the images.

    ``1401.png`` and, in pysaliency's HDF5 files, the data set ``1401.jpg`` belong to image ``1401``. For images in
    folders, maps are named by the full path or, if it is unique, the bare name. Folders shared by all maps are ignored.

    Args:
        path: The folder or file; see `explainsal.data.map_files`.
        ids: Image ids of the data set.
        sizes: Height and width of each image.

    Raises:
        MissingFilesError: If `path` does not exist, or maps of some images are missing.
        UserError: If two maps belong to one image, or `path` has another format.
        CorruptFileError: If the file cannot be read.
    """

    def __init__(self, path: str | Path, ids: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
        self.path = Path(path)
        self.ids, self.sizes = tuple(ids), list(sizes)
        self._files = open_maps(path)
        self._found, self.extra = self._match(self._files.names())

    @property
    def name(self) -> str:
        """Name of the model in tables: that of the folder or file."""
        return re.sub(r"[^\w-]+", "_", self.path.absolute().stem)

    def read(self, index: int) -> np.ndarray:
        """Read the map of one image as stored, ``(h, w)``, float64.

        Raises:
            CorruptFileError: If the map cannot be read, has the wrong shape or aspect ratio, is many times as large as
                its image, or holds NaN or infinities other than -inf. Its size is checked before its values are read.
        """
        where = self._found[index]
        array = np.squeeze(self._files.read(where, partial(self._accept, index)))
        if array.ndim == 3 and array.shape[2] in (3, 4):
            if (array[..., :1] != array[..., :3]).any():
                raise CorruptFileError(f"{self._files.say(where)} is a color picture: save the map itself, in gray")
            array = array[..., 0]
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
            raise CorruptFileError(
                f"{self._files.say(where)} holds {array.dtype} of shape {array.shape}, not a map (H, W)"
            )
        array = array.astype(np.float64)
        if np.isnan(array).any() or np.isposinf(array).any():
            raise CorruptFileError(f"{self._files.say(where)} (image {self.ids[index]}) holds NaN or infinity")
        return array

    def check(self, track: Track = iter) -> Checked:
        """Read every map once and find problems that would spoil the scores.

        Args:
            track: Wrapper of the loop that shows its progress.

        Raises:
            CorruptFileError: See `read`; or if only some maps are log-densities.
        """
        kinds: dict[str, list[str]] = {"log": [], "constant": [], "few": [], "resized": [], "eight": []}
        for index in track(range(len(self.ids))):
            array, name = self.read(index), self.ids[index]
            levels = len(np.unique(array))
            found = {
                "log": is_log_density(array),
                "constant": levels == 1,
                "few": 1 < levels < LEVELS_FEW,
                "eight": levels <= 256 and bool((array == np.rint(array)).all()),
                "resized": array.shape != self.sizes[index],
            }
            for kind, holds in found.items():
                if holds:
                    kinds[kind].append(name)
            if np.isneginf(array).any() and not found["log"]:
                raise CorruptFileError(f"the map of image {name} holds -infinity but is not a log-density")
        if len(kinds["log"]) not in (0, len(self.ids)):
            odd = next(i for i in self.ids if i not in set(kinds["log"]))
            raise CorruptFileError(f"{len(kinds['log'])} of {len(self.ids)} maps are log-densities, but {odd} is not")
        return Checked(bool(kinds["log"]), len(kinds["resized"]), tuple(self._notes(kinds)))

    def _notes(self, kinds: dict[str, list[str]]) -> Iterable[str]:
        count = len(self.ids)
        yield f"{count} maps for {count} images"
        if self.extra:
            yield f"{len(self.extra)} files match no evaluated image and are ignored, first {self.extra[0]}"
        if kinds["log"]:
            yield "the maps are log-densities: their exponentials are scored"
        if kinds["resized"]:
            yield (
                f"{len(kinds['resized'])} maps differ in size from their image, first {kinds['resized'][0]}: "
                "they are resized bilinearly, which their rows state"
            )
        if kinds["eight"]:
            yield f"{len(kinds['eight'])} maps have 8 bits: ties count 1/2 in AUCs; npy or HDF5 keeps full precision"
        if kinds["few"]:
            yield f"WARNING {len(kinds['few'])} maps have fewer than {LEVELS_FEW} values, first {kinds['few'][0]}"
        if kinds["constant"]:
            yield f"WARNING {len(kinds['constant'])} maps are constant, first {kinds['constant'][0]}: chance level"

    def _accept(self, index: int, shape: tuple[int, ...]) -> None:
        """Raise if the shape of a map does not fit its image."""
        size, sides = self.sizes[index], [side for side in shape if side != 1]
        if shape == size or len(sides) not in (2, 3) or (len(sides) == 3 and sides[2] not in (3, 4)):
            return  # the image's own size, or a shape that `read` rejects
        height, width = sides[:2]
        if max(height / size[0], width / size[1]) > ENLARGED:
            raise CorruptFileError(
                f"{self._files.say(self._found[index])} is {height} x {width} (H x W), more than {ENLARGED} times the "
                f"{size[0]} x {size[1]} of its image {self.ids[index]}: save it at the size of the image"
            )
        if abs(width / height / (size[1] / size[0]) - 1) > ASPECT:
            turned = " It looks transposed: save it as rows x columns." if (width, height) == size else ""
            raise CorruptFileError(
                f"{self._files.say(self._found[index])} is {height} x {width} (H x W), but its image {self.ids[index]} "
                f"is {size[0]} x {size[1]}: the aspect ratio differs.{turned or ' Undo padding or squashing first.'}"
            )

    def _match(self, names: list[str]) -> tuple[list[str], list[str]]:
        """Return the name of each image's map, and the names that belong to no image."""
        bare = [i.rpartition("/")[2] for i in self.ids]
        keys = {b: i for b, i in zip(bare, self.ids, strict=True) if bare.count(b) == 1} if len(bare) < 20000 else {}
        keys |= {i: i for i in self.ids}
        found: dict[str, str] = {}
        extra = []
        shared = shared_folder(names)
        for name in names:
            spellings = (*_spellings(name), *_spellings(name[len(shared) :]))
            key = next((keys[k] for k in spellings if k in keys), None)
            if key is None:
                extra.append(name)
            elif key in found:
                raise UserError(f"{self._files.say(found[key])} and {name} both belong to image {key}: keep one")
            else:
                found[key] = name
        missing = [i for i in self.ids if i not in found]
        if missing:
            there = f"; it has {len(names)} maps, first {names[0]}" if names else ""
            raise MissingFilesError(
                f"{self.path} has no map of {len(missing)} of {len(self.ids)} images, first {missing[0]}{there}. "
                f"Name each map like its image, e.g. {missing[0]}.png or {missing[0]}.npy; every image needs one."
            )
        return [found[i] for i in self.ids], extra


def shared_folder(names: Sequence[str]) -> str:
    """Return the common folder of all names, with its slash; "" if there is none.

    Example:
        >>> shared_folder(["model/Action/001.png", "model/Art/001.png"]), shared_folder(["a.png", "b/a.png"])
        ('model/', '')
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    depth = next((k for k, parts in enumerate(zip(*folders, strict=False)) if len(set(parts)) > 1), None)
    shared = min(folders, key=len, default=())[:depth]
    return "".join(f"{part}/" for part in shared)


def is_log_density(array: np.ndarray) -> bool:
    """Return whether the exponentials of a map sum to 1.

    Example:
        >>> is_log_density(np.log(np.full((4, 5), 1 / 20))), is_log_density(np.full((4, 5), -1.0))
        (True, False)
    """
    if array.max() > 0 or not array.min() < 0:
        return False
    peak = array.max()
    return bool(abs(peak + np.log(np.exp(array - peak).sum())) < _LOG_MASS)


def _spellings(name: str) -> list[str]:
    """Return the ids that a name may denote: itself, without its suffix, and the bare name of each."""
    path = PurePosixPath(name)
    return [name, path.with_suffix("").as_posix(), path.name, path.stem]
