"""Sources and contents of the published data sets, and the error message for missing data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any

from explainsal.errors import MissingFilesError
from explainsal.fetch.disk import human
from explainsal.fetch.writing import read_yaml


@dataclass(frozen=True)
class Archive:
    """One file to fetch, and the part of it that readers need.

    Args:
        content: Description of its content.
        address: URL, or a description of the place for a file that must be fetched by hand.
        megabytes: Published size; None if unknown.
        md5: Published MD5; "" if unknown.
        file: Name on disk. Files fetched by hand may also have the last part of the address or one of `aliases` as
            name.
        aliases: Other names given by browsers or authors.
        folder: Folder for its files below the data root.
        pattern: Pattern of the needed files, see `explainsal.fetch.unpack.Pattern`.
        files: Published number of needed files.
        only_for: Data module option and value that need this file, e.g. ``("ground_truth", "maps")``; None if it is
            always needed.
        trust_any: Accept an invalid TLS certificate of the server.
    """

    content: str
    address: str
    megabytes: float | None = None
    md5: str = ""
    _: KW_ONLY
    file: str = ""
    aliases: tuple[str, ...] = ()
    folder: str = ""
    pattern: str = ""
    files: int = 0
    only_for: tuple[str, str] | None = None
    trust_any: bool = False

    def __str__(self) -> str:
        size = human(self.megabytes * 1e6) if self.megabytes else "size not published"
        return f"{self.content}: {self.address}  ({size}; MD5 {self.md5 or 'not published'})"

    @property
    def by_hand(self) -> bool:
        """True if the file has no URL and must be fetched by hand."""
        return not self.address.startswith(("http://", "https://"))


@dataclass(frozen=True)
class Source:
    """A published data set.

    Args:
        title: Name and release of the data set.
        page: The authors' web page.
        licence: Terms of use.
        archives: Files to fetch.
        unpack: Required layout of the files below the data root, one line each.
        images: Number of images per split.
        fixations: Number of fixations per split.
        counted: Number of fixations per split in a complete copy, if it differs from the published number.
        size: Height and width of every image in pixels.
        overrides: Arguments of ``explainsal.prepare`` that fetch it.
    """

    title: str
    page: str
    licence: str
    archives: tuple[Archive, ...]
    unpack: tuple[str, ...]
    images: dict[str, int] = field(default_factory=dict)
    fixations: dict[str, int] = field(default_factory=dict)
    counted: dict[str, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    overrides: str = ""

    def locate(self, root: Path, places: Sequence[Path], *needed: str) -> Path:
        """Return the first of several folders that holds all needed files and folders.

        Raises:
            MissingFilesError: If none does; the message names the places, or only `root` if it does not exist.
        """
        for place in places:
            if all((place / name).exists() for name in needed):
                return place
        raise self.missing(" and ".join(needed), places if root.is_dir() else [root])

    def missing(self, what: str, looked: Sequence[Path]) -> MissingFilesError:
        """Build the error for missing files.

        Args:
            what: The missing files, e.g. ``fixations (.mat) of the train split``.
        """
        lines = [f"{self.title}: {what} not found.", "Looked in:"]
        lines += [f"  {path.absolute()}" for path in dict.fromkeys(looked)]
        lines += ["To fetch, check and unpack it:", f"  python -m explainsal.prepare {self.overrides}"]
        lines += [f"If that fails, fetch it by hand from its source ({self.page}):"]
        lines += [f"  {archive}" for archive in self.archives]
        lines += ["Layout below the data root (set data.root=FOLDER for another folder):"]
        lines += [f"  {step}" for step in self.unpack]
        lines += [f"Licence: {self.licence}", "data=synthetic uses generated scenes instead."]
        return MissingFilesError("\n".join(lines))


def _read_sources() -> dict[str, Source]:
    """Read ``sources.yaml``."""
    found = {}
    for name, entry in read_yaml(Path(__file__).with_name("sources.yaml")).items():
        archives = tuple(Archive(**_with_tuples(archive)) for archive in entry.pop("archives"))
        found[name] = Source(archives=archives, **_with_tuples(entry))
    return found


def _with_tuples(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}


_SOURCES = _read_sources()
SALICON = {"2017": _SOURCES["salicon_2017"], "2015": _SOURCES["salicon_2015"]}
OSIE, MIT1003, MIT300 = _SOURCES["osie"], _SOURCES["mit1003"], _SOURCES["mit300"]
CAT2000, TORONTO, PASCAL_S = _SOURCES["cat2000"], _SOURCES["toronto"], _SOURCES["pascal_s"]

SALICON_MOUSE = {  # all samples of the mouse traces, with those outside moved to the edge (data.outside=clip)
    "2015": {"train": 68_992_355, "val": 38_846_998},
    "2017": {"train": 215_286_274, "val": 121_898_426},
}
MIT1003_SCANPATHS = {False: 104_147, True: 119_189}  # our counts in FixaTons, without and with first fixations
