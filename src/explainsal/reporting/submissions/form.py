"""What a benchmark takes, as far as its own code and pages say (docs/decisions/0022-submissions.md)."""

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
    """The rules of one evaluator.

    Args:
        title: What it is called.
        kinds: What it takes, see `Submission`.
        containers: What maps may lie in: "" for a folder, else the suffixes of files.
        suffixes: Of the files in a folder or archive.
        log_mass: How far the logarithm of a density's total may be from 0.
        names: What the names of the images look like.
        expected: The same in words.
        flat: Whether files in folders are a risk.
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
    """The form of the maps to be sent in.

    Args:
        benchmark: Whose rules: ``tuebingen`` (MIT300, CAT2000) or ``salicon``.
        kind: ``density``, natural logarithms of densities as float32, or ``map``, values of any scale.
        file: ``hdf5``: one file with a data set per image; ``npy`` or ``png``: a file per image, float32 or 8 bits with
            the maximum at 255.
        zip: Whether ``npy`` and ``png`` files lie in one zip archive.

    Raises:
        ValueError: If one is none of these, or the benchmark does not take them together.
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
        """Of the benchmark."""
        return BENCHMARKS[self.benchmark]

    @property
    def suffix(self) -> str:
        """Of the file to be sent in, "" for a folder."""
        return ".hdf5" if self.file == "hdf5" else ".zip" if self.zip else ""

    def names(self, ids: Sequence[str], pictures: Sequence[str]) -> list[str]:
        """The name of every image's map: in an HDF5 file the picture's with its suffix, else its id with the file's.

        Args:
            ids: Of the images, e.g. ``Action/001``.
            pictures: Their files.

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
    """An image's id with its picture's suffix, which the id of one of two equal stems has already."""
    suffix = Path(picture).suffix
    return key if key.endswith(suffix) else key + suffix
