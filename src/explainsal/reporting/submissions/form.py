"""Formats of the benchmarks, according to their code and pages (docs/decisions/0022-submissions.md)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Kind = Literal["density", "map"]
FileType = Literal["hdf5", "npy", "png"]
KINDS, FILE_TYPES = ("density", "map"), ("hdf5", "npy", "png")


@dataclass(frozen=True)
class Benchmark:
    """Rules of one evaluator.

    Args:
        kinds: Accepted kinds, see `Submission`.
        containers: Accepted containers: "" for a folder, otherwise suffixes of files.
        suffixes: Suffixes of the files in a folder or archive.
        log_mass: Tolerance of the logarithm of a density's total, which should be 0.
        names: Pattern of the images' names.
        expected: Example of a name, for messages.
        flat: Whether files in folders may be rejected.
    """

    title: str
    kinds: tuple[Kind, ...]
    containers: tuple[str, ...]
    suffixes: tuple[str, ...]
    log_mass: float = 0.001
    names: re.Pattern[str] = field(default_factory=lambda: re.compile(".*"))
    expected: str = ""
    flat: bool = False


BENCHMARKS = {
    "tuebingen": Benchmark(
        title="MIT/Tübingen Saliency Benchmark",
        kinds=("density", "map"),
        containers=("", ".hdf5", ".h5", ".zip", ".tar", ".tar.gz"),
        suffixes=(".png", ".jpg", ".jpeg", ".tiff", ".npy", ".mat"),
    ),
    "salicon": Benchmark(
        title="SALICON challenge",
        kinds=("map",),
        containers=(".zip",),
        suffixes=(".png",),
        names=re.compile(r"COCO_(test|val)2014_\d{12}"),
        expected="COCO_test2014_000000000001.png",
        flat=True,
    ),
}


@dataclass(frozen=True)
class Submission:
    """Format of the maps of a submission.

    Args:
        benchmark: Benchmark with its rules: ``tuebingen`` (MIT300, CAT2000) or ``salicon``.
        kind: ``density``, natural logarithms of densities as float32, or ``map``, values of any scale.
        file: ``hdf5``: one file with a data set per image; ``npy`` or ``png``: a file per image, float32 or 8 bits with
            the maximum at 255.
        zip: Whether ``npy`` and ``png`` files are in one zip archive.

    Raises:
        ValueError: If a value is unknown, or the benchmark does not accept the combination.
    """

    benchmark: str
    kind: Kind
    file: FileType
    zip: bool = True

    def __post_init__(self) -> None:
        if self.benchmark not in BENCHMARKS or self.kind not in KINDS or self.file not in FILE_TYPES:
            raise ValueError(
                f"benchmark is one of {tuple(BENCHMARKS)}, kind of {KINDS}, file of {FILE_TYPES}: "
                f"got {self.benchmark!r}, {self.kind!r}, {self.file!r}"
            )
        if self.kind == "density" and self.file == "png":
            raise ValueError("8 bits cannot hold logarithms of densities: take file=hdf5, file=npy or kind=map")
        if self.kind not in self.rules.kinds or self.suffix not in self.rules.containers:
            raise ValueError(f"the {self.rules.title} takes no {self.kind} in {self.suffix or 'a folder'}")
        if self.file != "hdf5" and f".{self.file}" not in self.rules.suffixes:
            raise ValueError(f"the {self.rules.title} takes no {self.file} files")

    @property
    def rules(self) -> Benchmark:
        """Rules of the benchmark."""
        return BENCHMARKS[self.benchmark]

    @property
    def suffix(self) -> str:
        """Suffix of the submitted file, "" for a folder."""
        return ".hdf5" if self.file == "hdf5" else ".zip" if self.zip else ""

    def names(self, ids: Sequence[str], pictures: Sequence[str]) -> list[str]:
        """Return the names of the maps: picture names with suffix in an HDF5 file, otherwise image ids with `file`.

        Args:
            ids: Ids of the images, e.g. ``Action/001``.

        Example:
            >>> Submission("tuebingen", "density", "hdf5").names(["Action/001"], ["/data/Stimuli/Action/001.jpg"])
            ['Action/001.jpg']
            >>> Submission("salicon", "map", "png").names(["COCO_test2014_000000000001"], [""])
            ['COCO_test2014_000000000001.png']
        """
        if self.file == "hdf5":
            return [picture_name(key, picture) for key, picture in zip(ids, pictures, strict=True)]
        return [f"{key}.{self.file}" for key in ids]


def picture_name(key: str, picture: str) -> str:
    """Return an image's id with its picture's suffix, unless the id includes the suffix to be unique."""
    suffix = Path(picture).suffix
    return key if key.endswith(suffix) else key + suffix
