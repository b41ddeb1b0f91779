"""Offline check of maps for submission, by the evaluator's rules: names, nesting, shape, normalization, color."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from scipy.special import logsumexp

from explainsal.data.map_files import HDF5OfMaps, MapFiles, open_maps
from explainsal.data.predictions import LEVELS_FEW, shared_folder
from explainsal.errors import UserError
from explainsal.reporting.submissions.form import Submission

Track = Callable[[Iterable[int]], Iterable[int]]
ERRORS: Mapping[str, str] = {
    "container": "{first}",
    "image names": "{count} images are not named like the benchmark's, the first is {first}: use its own images",
    "missing": "{count} of {total} images have no map, the first is {first}",
    "suffix": "{count} names lack the picture's suffix, the first is {first}: in HDF5 the map of i1.jpg is i1.jpg",
    "type": "{count} files have a type that the evaluator does not read, the first is {first}: it takes {suffixes}",
    "double": "{count} images have two maps, the first are {first}",
    "unreadable": "{count} maps cannot be read: {first}",
    "no numbers": "{count} maps do not hold real numbers, the first is {first}",
    "colour": "{count} maps are in color or have an alpha channel, the first is {first}: save the map itself, in gray",
    "shape": "{count} maps do not have their image's size (H x W): {first}",
    "nan": "{count} maps hold NaN or infinity, the first is {first}",
    "eight bits": "{count} densities are pictures, the first is {first}: 8 bits cannot hold logarithms; use npy, HDF5",
    "no density": "{count} maps are not natural logarithms of densities: {first}",
}
NOTES: Mapping[str, str] = {
    "extra": "{count} files belong to none of the images and are ignored, the first is {first}",
    "folder": "the files are in the folder {first}: put them at the top of the archive to be safe",
    "mixed": "there are files of several types ({first}): the evaluator's old MATLAB code needs a single type",
    "never": "{count} densities are 0 somewhere, the first is {first}: information gain there is -infinity",
    "log": "{count} maps are natural logarithms of densities, the first is {first}: submission.kind=density adds "
    "information gain and the best map for each metric",
    "constant": "{count} maps are constant, the first is {first}: they score at chance level",
    "few": "{count} maps have fewer than {few} values, the first is {first}: ties count 1/2 in AUCs",
    "pictures": "{count} maps are 8-bit pictures: KLDiv and ranks lose precision that npy and HDF5 keep",
}


@dataclass
class Verdict:
    """Result of a check by the evaluator's rules.

    Args:
        maps: Number of maps of images.
        total: Number of images.
        suffixes: Suffixes of the files that the evaluator reads, in words.
        found: Kind of a problem -> places, in order.
    """

    maps: int
    total: int
    suffixes: str
    found: dict[str, list[str]] = field(default_factory=dict)

    @property
    def accepted(self) -> bool:
        """Return whether there are no errors."""
        return not self.errors

    @property
    def errors(self) -> list[str]:
        """Reasons for a rejection or for wrong scores, one line each."""
        return self._lines(ERRORS)

    @property
    def notes(self) -> list[str]:
        """Remarks for the author of the maps, one line each."""
        return self._lines(NOTES)

    def add(self, kind: str, where: str) -> None:
        """Record a problem."""
        self.found.setdefault(kind, []).append(where)

    def _lines(self, texts: Mapping[str, str]) -> list[str]:
        facts = {"total": self.total, "few": LEVELS_FEW, "suffixes": self.suffixes}
        return [
            text.format(count=len(self.found[kind]), first=self.found[kind][0], **facts)
            for kind, text in texts.items()
            if kind in self.found
        ]


def check_submission(
    path: str | Path,
    form: Submission,
    ids: Sequence[str],
    pictures: Sequence[str],
    sizes: Sequence[tuple[int, int]],
    track: Track = iter,
) -> Verdict:
    """Check every map in a file or folder.

    Args:
        form: Format of the benchmark; its `kind` is the intended kind of the maps.
        sizes: Height and width of each image.
        track: Wraps the loop over the maps, to show progress.

    Raises:
        MissingFilesError: If `path` does not exist.
        UserError: If it is neither a folder, an HDF5 file nor an archive that can be opened.
        CorruptFileError: If the file as a whole cannot be read.
    """
    files = open_maps(path)
    verdict = Verdict(0, len(ids), ", ".join(form.rules.suffixes))
    if not any(str(path).lower().endswith(c) if c else Path(path).is_dir() for c in form.rules.containers):
        takes = " or ".join(container or "a folder" for container in form.rules.containers)
        verdict.add("container", f"{path}: the {form.rules.title} takes {takes}")
    for key in ids:
        if not form.rules.names.fullmatch(key):
            verdict.add("image names", f"{key} (expected is {form.rules.expected})")
    names = _assign(files, form, ids, pictures, verdict)
    verdict.maps = len(names)
    for index in track(sorted(names)):
        _check_map(files, names[index], sizes[index], form, verdict)
    return verdict


def _assign(
    files: MapFiles, form: Submission, ids: Sequence[str], pictures: Sequence[str], verdict: Verdict
) -> dict[int, str]:
    """Return position of an image -> name of its map; record missing, double, extra and misnamed maps."""
    names = files.names()
    in_hdf5 = isinstance(files, HDF5OfMaps)
    shared = shared_folder(names)
    shared = "" if in_hdf5 or any(key.startswith(shared) for key in ids) else shared
    expected = Submission("tuebingen", "map", "hdf5").names(ids, pictures) if in_hdf5 else list(ids)
    position = {name: i for i, name in enumerate(expected)}
    bare = {key: i for i, key in enumerate(ids)} if in_hdf5 else {}
    found: dict[int, str] = {}
    for name in names:
        own = name.removeprefix(shared)
        own = own if in_hdf5 else PurePosixPath(own).with_suffix("").as_posix()
        index = position.get(own)
        if index is None and (index := bare.get(own)) is not None:
            verdict.add("suffix", f"{name} (expected is {expected[index]})")
        if index is None:
            verdict.add("extra", name)
        elif not in_hdf5 and PurePosixPath(name).suffix.lower() not in form.rules.suffixes:
            verdict.add("type", name)
            found.setdefault(index, name)
        elif index in found:
            verdict.add("double", f"{found[index]} and {name}")
        else:
            found[index] = name
    for index, name in enumerate(expected):
        if index not in found:
            verdict.add("missing", f"{name} (there are {', '.join(names[:3])})" if names else name)
    _note_layout(form, [found[i] for i in sorted(found)], shared, in_hdf5, verdict)
    return found


def _note_layout(form: Submission, names: Sequence[str], shared: str, in_hdf5: bool, verdict: Verdict) -> None:
    types = sorted({PurePosixPath(name).suffix.lower() for name in names})
    if len(types) > 1 and not in_hdf5:
        verdict.add("mixed", ", ".join(types))
    if shared and form.rules.flat:
        verdict.add("folder", shared)


def _check_map(files: MapFiles, name: str, size: tuple[int, int], form: Submission, verdict: Verdict) -> None:
    try:
        values = files.read(name)
    except UserError as error:
        return verdict.add("unreadable", str(error))
    if not np.issubdtype(values.dtype, np.number) or np.iscomplexobj(values):
        return verdict.add("no numbers", f"{name} ({values.dtype})")
    if values.ndim == 3 and values.shape[2] in (3, 4):
        if values.shape[2] == 4 or (values[..., :1] != values).any():
            return verdict.add("colour", name)
        values = values[..., 0]
    if values.shape != size:
        return verdict.add(
            "shape", f"{name} is {_sides(values.shape)}, its image {_sides(size)}{_turned(values, size)}"
        )
    is_picture = np.issubdtype(values.dtype, np.integer)
    values = values.astype(np.float64)
    if np.isnan(values).any() or np.isposinf(values).any() or (form.kind == "map" and np.isinf(values).any()):
        return verdict.add("nan", name)
    if form.kind == "density":
        return _check_density(name, values, is_picture, form.rules.log_mass, verdict)
    _note_values(name, values, is_picture, verdict)
    if not is_picture and _log_mass_is_zero(values, form.rules.log_mass):
        verdict.add("log", name)


def _check_density(name: str, values: np.ndarray, is_picture: bool, tolerance: float, verdict: Verdict) -> None:
    if is_picture:
        verdict.add("eight bits", name)
    elif not _log_mass_is_zero(values, tolerance):
        verdict.add("no density", f"{name}: {_what_instead(values, tolerance)}")
    elif np.isneginf(values).any():
        verdict.add("never", name)


def _note_values(name: str, values: np.ndarray, is_picture: bool, verdict: Verdict) -> None:
    levels = len(np.unique(values))
    if levels == 1:
        verdict.add("constant", name)
    elif levels < LEVELS_FEW:
        verdict.add("few", name)
    if is_picture:
        verdict.add("pictures", name)


def _log_mass_is_zero(values: np.ndarray, tolerance: float) -> bool:
    return bool(abs(logsumexp(values)) < tolerance)


def _what_instead(values: np.ndarray, tolerance: float) -> str:
    """Return a description of a map that is not a log-density, derived from its total."""
    if values.min() >= 0:
        if abs(values.sum() - 1) < tolerance:
            return "it is a density itself, take its natural logarithm"
        return "it is a saliency map: submission.kind=map, or make it a density (submission.density=sum)"
    for base, title in ((10.0, "to base 10"), (2.0, "to base 2")):
        if _log_mass_is_zero(values * np.log(base), tolerance):
            return f"it is a logarithm {title}: multiply by ln {base:g} = {np.log(base):.6f}"
    mass = float(logsumexp(values))
    return f"its logsumexp is {mass:.4f}, more than {tolerance} from 0: subtract it"


def _sides(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape))


def _turned(values: np.ndarray, size: tuple[int, int]) -> str:
    if np.squeeze(values).shape == size:
        return ": squeeze it"
    return ", transposed" if values.shape[::-1] == size and size[0] != size[1] else ""
