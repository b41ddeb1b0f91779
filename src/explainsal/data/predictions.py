"""Saliency maps that another tool wrote, matched to the images of a data set and checked before they are scored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from explainsal.data.map_files import open_maps
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

LEVELS_FEW = 32  # distinct values below which ranks are mostly ties
ASPECT = 0.02  # how far width / height may be from the image's
ENLARGED = 8  # how many times a map's sides may be those of its image
_LOG_MASS = 0.01  # how far the log of the total mass of a log-density may be from 0

Track = Callable[[Iterable[int]], Iterable[int]]


@dataclass(frozen=True)
class Checked:
    """What the maps turned out to be.

    Args:
        log_density: Whether they are log-densities: every map below 0, its exponentials sum to 1.
        resized: How many have another size than their image.
        notes: One line each of what a reader of the numbers should know.
    """

    log_density: bool
    resized: int
    notes: tuple[str, ...]


class Predictions:
    """A folder or archive (PNG, JPEG, npy, npz, mat) or an HDF5 file with one map per image, named as the images are.

    ``1401.png`` and, in pysaliency's HDF5 files, the data set ``1401.jpg`` belong to image ``1401``. For images in
    folders either the whole path or, where no two images share it, the bare name may be used. Folders that all maps
    share do not count.

    Args:
        path: The folder or file; see `explainsal.data.map_files`.
        ids: The images of the data set.
        sizes: Height and width of each.

    Raises:
        MissingFilesError: If there is nothing at `path`, or maps of some images are missing.
        UserError: If two maps belong to one image, or `path` is a file of another kind.
        CorruptFileError: If the file cannot be read.
    """

    def __init__(self, path: str | Path, ids: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
        self.path = Path(path)
        self.ids, self.sizes = tuple(ids), list(sizes)
        self._files = open_maps(path)
        self._found, self.extra = self._match(self._files.names())

    @property
    def name(self) -> str:
        """What the model is called in tables: the name of the folder or file."""
        return re.sub(r"[^\w-]+", "_", self.path.absolute().stem)

    def read(self, index: int) -> np.ndarray:
        """The map of one image as it is stored, ``(h, w)``, float64.

        Raises:
            CorruptFileError: If it cannot be read, is no map, has another aspect than its image or is many times as
                large, or holds NaN or infinities other than -inf. Its size is looked at before its values are read.
        """
        where = self._found[index]
        array = np.squeeze(self._files.read(where, partial(self._accept, index)))
        if array.ndim == 3 and array.shape[2] in (3, 4):
            if (array[..., :1] != array[..., :3]).any():
                raise CorruptFileError(f"{self._files.say(where)} is a colour picture: save the map itself, in grey")
            array = array[..., 0]
        if array.ndim != 2 or not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
            raise CorruptFileError(
                f"{self._files.say(where)} holds {array.dtype} of shape {array.shape}, no map (H, W)"
            )
        array = array.astype(np.float64)
        if np.isnan(array).any() or np.isposinf(array).any():
            raise CorruptFileError(f"{self._files.say(where)} (image {self.ids[index]}) holds NaN or infinity")
        return array

    def check(self, track: Track = iter) -> Checked:
        """Read every map once and find what would spoil its numbers.

        Args:
            track: Wraps the loop, to show its progress.

        Raises:
            CorruptFileError: See `read`; or if a map has another aspect than its image, or only some are log-densities.
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
                raise CorruptFileError(f"the map of image {name} holds -infinity and is no log-density")
        if len(kinds["log"]) not in (0, len(self.ids)):
            odd = next(i for i in self.ids if i not in set(kinds["log"]))
            raise CorruptFileError(f"{len(kinds['log'])} of {len(self.ids)} maps are log-densities, {odd} is not")
        return Checked(bool(kinds["log"]), len(kinds["resized"]), tuple(self._notes(kinds)))

    def _notes(self, kinds: dict[str, list[str]]) -> Iterable[str]:
        count = len(self.ids)
        yield f"{count} maps for {count} images"
        if self.extra:
            yield f"{len(self.extra)} files belong to no evaluated image and are not used, {self.extra[0]} the first"
        if kinds["log"]:
            yield "these are log-densities: their exponentials are scored"
        if kinds["resized"]:
            yield (
                f"{len(kinds['resized'])} maps are not of their image's size, {kinds['resized'][0]} the first: "
                "they are resized bilinearly, and their rows say so"
            )
        if kinds["eight"]:
            yield f"{len(kinds['eight'])} maps have 8 bits: ties count 1/2 in AUCs; npy or HDF5 keeps what was computed"
        if kinds["few"]:
            yield f"WARNING {len(kinds['few'])} maps have fewer than {LEVELS_FEW} values, {kinds['few'][0]} the first"
        if kinds["constant"]:
            yield f"WARNING {len(kinds['constant'])} maps are constant, {kinds['constant'][0]} the first: chance level"

    def _accept(self, index: int, shape: tuple[int, ...]) -> None:
        """Refuse a map whose shape does not fit its image."""
        size, sides = self.sizes[index], [side for side in shape if side != 1]
        if shape == size or len(sides) not in (2, 3) or (len(sides) == 3 and sides[2] not in (3, 4)):
            return  # the image's own size; or no map, which `read` says
        height, width = sides[:2]
        if max(height / size[0], width / size[1]) > ENLARGED:
            raise CorruptFileError(
                f"{self._files.say(self._found[index])} is {height} x {width} (H x W), more than {ENLARGED} times the "
                f"{size[0]} x {size[1]} of its image {self.ids[index]}: save it at the size of the image"
            )
        if abs(width / height / (size[1] / size[0]) - 1) > ASPECT:
            turned = " It looks transposed: save it as rows x columns." if (width, height) == size else ""
            raise CorruptFileError(
                f"{self._files.say(self._found[index])} is {height} x {width} (H x W), its image {self.ids[index]} is "
                f"{size[0]} x {size[1]}: another aspect.{turned or ' Undo the padding or squashing first.'}"
            )

    def _match(self, names: list[str]) -> tuple[list[str], list[str]]:
        """The name of each image's map, and the names that belong to no image."""
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
            there = f"; there are {len(names)}, {names[0]} the first" if names else ""
            raise MissingFilesError(
                f"{self.path} has no map of {len(missing)} of {len(self.ids)} images, {missing[0]} the first{there}. "
                f"A map is named as its image, e.g. {missing[0]}.png or {missing[0]}.npy; every image needs one."
            )
        return [found[i] for i in self.ids], extra


def shared_folder(names: Sequence[str]) -> str:
    """The folder that all names begin with, with its slash; "" where there is none.

    Example:
        >>> shared_folder(["model/Action/001.png", "model/Art/001.png"]), shared_folder(["a.png", "b/a.png"])
        ('model/', '')
    """
    folders = [PurePosixPath(name).parent.parts for name in names]
    depth = next((k for k, parts in enumerate(zip(*folders, strict=False)) if len(set(parts)) > 1), None)
    shared = min(folders, key=len, default=())[:depth]
    return "".join(f"{part}/" for part in shared)


def is_log_density(array: np.ndarray) -> bool:
    """Whether the exponentials of a map sum to 1.

    Example:
        >>> is_log_density(np.log(np.full((4, 5), 1 / 20))), is_log_density(np.full((4, 5), -1.0))
        (True, False)
    """
    if array.max() > 0 or not array.min() < 0:
        return False
    peak = array.max()
    return bool(abs(peak + np.log(np.exp(array - peak).sum())) < _LOG_MASS)


def _spellings(name: str) -> list[str]:
    """Ids that a name may stand for: itself, without its suffix, and the bare name of each."""
    path = PurePosixPath(name)
    return [name, path.with_suffix("").as_posix(), path.name, path.stem]
