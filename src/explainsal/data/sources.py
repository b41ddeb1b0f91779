"""Sources and contents of the published data sets, and the error message for missing data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import TypedDict

from explainsal.errors import MissingFilesError
from explainsal.fetch.disk import human

ALTERNATIVE = "python -m explainsal.train +experiment=cmrnet data=synthetic"


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

    def missing(self, what: str, looked: Sequence[Path]) -> MissingFilesError:
        """Build the error for missing files.

        Args:
            what: The missing files, e.g. ``fixations (.mat) of the train split``.
            looked: The folders that were searched.
        """
        lines = [f"{self.title}: {what} not found.", "Looked in:"]
        lines += [f"  {path.absolute()}" for path in dict.fromkeys(looked)]
        lines += ["To fetch, check and unpack it:", f"  python -m explainsal.prepare {self.overrides}"]
        lines += [f"If that fails, fetch it by hand from its source ({self.page}):"]
        lines += [f"  {archive}" for archive in self.archives]
        lines += ["Layout below the data root (set data.root=FOLDER for another folder):"]
        lines += [f"  {step}" for step in self.unpack]
        lines += [f"Licence: {self.licence}", "Without it, generated scenes can be used:", f"  {ALTERNATIVE}"]
        return MissingFilesError("\n".join(lines))


def _drive(file_id: str) -> str:
    return f"https://drive.google.com/uc?id={file_id}&export=download"


class _Part(TypedDict):
    """The needed part of an archive, and its target folder."""

    folder: str
    pattern: str
    files: int


def _coco(splits: str, suffix: str) -> str:
    """Return the pattern of SALICON's files with one suffix, in a folder per split or in one flat folder."""
    return rf"(?:.*?/)??(?P<path>(?:(?:train|val|test)/)?(?P<key>COCO_(?:{splits})2014_\d{{12}}{suffix}))"


_SALICON_IMAGES = Archive(
    "image.zip, all splits",
    _drive("1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5"),
    3000,
    "eb2a1bb706633d1b31fc2e01422c5757",
    file="image.zip",
    aliases=("images.zip",),
    folder="images",
    pattern=_coco("train|val|test", r"\.jpg"),
    files=20_000,
)
_SALICON_FIXATIONS: _Part = {"folder": "fixations", "pattern": _coco("train|val", r"\.mat"), "files": 15_000}
_SALICON_MAPS: _Part = {"folder": "maps", "pattern": _coco("train|val", r"\.png"), "files": 15_000}
_SALICON_UNPACK = (
    "images/{train,val,test}/COCO_*.jpg       image.zip unpacks to this",
    "fixations/{train,val,test}/COCO_*.mat    unpack fixations.zip inside a folder fixations/",
    "maps/{train,val}/COCO_*.png              unpack maps.zip inside a folder maps/",
)
_SALICON_LICENCE = "annotations CC BY 4.0; the images are Flickr pictures from MS COCO under their owners' terms"
_SALICON_COUNT = {"train": 10_000, "val": 5_000, "test": 5_000}

SALICON = {
    "2017": Source(
        title="SALICON (2017 release)",
        page="http://salicon.net/challenge-2017",
        licence=_SALICON_LICENCE,
        archives=(
            _SALICON_IMAGES,
            Archive(
                "fixations.zip",
                _drive("1P-jeZXCsjoKO79OhFUgnj6FGcyvmLDPj"),
                1400,
                "462b70f4f9e8ea446ac628e46cea8d3d",
                file="fixations-2017.zip",
                aliases=("fixations.zip",),
                **_SALICON_FIXATIONS,
            ),
            Archive(
                "maps.zip",
                _drive("1PnO7szbdub1559LfjYHMy65EDC4VhJC8"),
                431,
                file="maps-2017.zip",
                aliases=("maps.zip",),
                **_SALICON_MAPS,
            ),
        ),
        unpack=_SALICON_UNPACK,
        images=_SALICON_COUNT,
        fixations={"train": 4_598_112, "val": 2_576_914},
        size=(480, 640),
        overrides="data=salicon",
    ),
    "2015": Source(
        title="SALICON (2015 release)",
        page="http://salicon.net/challenge-2017, under previous release",
        licence=_SALICON_LICENCE,
        archives=(
            _SALICON_IMAGES,
            Archive(
                "fixations, one .mat per image",
                _drive("1WVEiXba-I4GN33f0uUl4KhaN1rK7qzs6"),
                md5="9a22db9d718200fb90252e5010c004c4",
                file="fixations-2015.zip",
                aliases=("fixations.zip",),
                **_SALICON_FIXATIONS,
            ),
            Archive("maps of the 2015 release", "linked on that page", file="maps-2015.zip", **_SALICON_MAPS),
        ),
        unpack=(
            *_SALICON_UNPACK,
            "or, fetched by hand, one file per split instead of fixations/:",
            "  fixations_{train,val}2014.json           mouse samples (data.ground_truth=mouse):",
            "    https://s3.amazonaws.com/salicon-dataset/2015r1/fixations_train2014.json and ..._val2014.json",
            "  training.mat, validation.mat             from the LSUN challenge:",
            "    http://lsun.cs.princeton.edu/challenge/2015/eyetracking_salicon/data/training.mat and validation.mat",
            "and instead of maps/: data.density_sigma=19, densities of the points, blurred as by SALICON's own tool",
        ),
        images=_SALICON_COUNT,
        fixations={"train": 3_171_533, "val": 1_662_655},
        size=(480, 640),
        overrides="data=salicon data.release=2015",
    ),
}

SALICON_MOUSE = {  # all samples of the mouse traces, with those outside moved to the edge (data.outside=clip)
    "2015": {"train": 68_992_355, "val": 38_846_998},
    "2017": {"train": 215_286_274, "val": 121_898_426},
}

OSIE = Source(
    title="OSIE (predicting human gaze beyond pixels)",
    page="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
    licence="MIT",
    archives=(
        Archive(
            "repository as a zip file (fixations.mat in it has MD5 8efdf6fe66f38b6e70f854c7ff45aa70)",
            "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels/archive/refs/heads/master.zip",
            file="osie.zip",
            aliases=("master.zip", "predicting-human-gaze-beyond-pixels-master.zip"),
            pattern=r"(?:.*?/)??(?P<path>(?P<key>stimuli/(?:1[0-4]\d\d|1500)\.jpg|eye/fixations\.mat))",
            files=501,
        ),
    ),
    unpack=("data/stimuli/1001.jpg ... 1700.jpg", "data/eye/fixations.mat"),
    images={"train": 350, "val": 50, "test": 100},
    fixations={"train": 48_793, "val": 6_943, "test": 14_140},  # our count; 98,321 on all 700 published images
    size=(600, 800),
    overrides="data=osie",
)

_NO_LICENCE = "none stated by the authors: use for research, cite them, do not redistribute the pictures"
_JUDD = "http://people.csail.mit.edu/tjudd/WherePeopleLook"

MIT1003 = Source(
    title="MIT1003 (Judd et al., 2009)",
    page=f"{_JUDD}/index.html",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "ALLSTIMULI.zip",
            f"{_JUDD}/ALLSTIMULI.zip",
            235,
            "0d7df8b954ecba69b6796e77b9afe4b6",
            file="ALLSTIMULI.zip",
            folder="ALLSTIMULI",
            pattern=r"(?:.*?/)??(?P<path>(?P<key>[^/]+\.jpeg))",
            files=1003,
        ),
        Archive(
            "DATA.zip, gaze of 15 observers",
            f"{_JUDD}/DATA.zip",
            47.1,
            "ea19d74ad0a0144428c53e9d75c2d71c",
            file="DATA.zip",
            folder="DATA",
            pattern=r"(?:.*?/)??(?P<path>(?P<key>(?!DATA/)[^/]+/(?!Calibration|shuff)[^/]+\.mat))",
            files=15 * 1003,
        ),
        Archive(
            "ALLFIXATIONMAPS.zip, for data.ground_truth=maps",
            f"{_JUDD}/ALLFIXATIONMAPS.zip",
            file="ALLFIXATIONMAPS.zip",
            folder="ALLFIXATIONMAPS",
            pattern=r"(?:.*?/)??(?P<path>(?P<key>[^/]+_fix(?:Map|Pts)\.jpg))",
            files=2 * 1003,
            only_for=("ground_truth", "maps"),
        ),
    ),
    unpack=(
        "ALLSTIMULI/<image>.jpeg                                 1003 images",
        "DATA/<observer>/<image>.mat                             15 observers",
        "ALLFIXATIONMAPS/<image>_fixMap.jpg, <image>_fixPts.jpg  only for data.ground_truth=maps",
        "or, as distributed by FixaTons, with fixations instead of raw gaze:",
        "STIMULI/<image>.jpeg, SCANPATHS/<image>/<observer>      data.ground_truth=scanpaths",
    ),
    images={"all": 1003},
    fixations={"all": 104_171},
    overrides="data=mit1003",
)

MIT1003_SCANPATHS = {False: 104_147, True: 119_189}  # our counts in FixaTons, without and with first fixations

MIT300 = Source(
    title="MIT300 (Judd et al., 2012)",
    page="http://saliency.mit.edu/results_mit300.html",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "BenchmarkIMAGES.zip",
            "http://saliency.mit.edu/BenchmarkIMAGES.zip",
            44.4,
            "03ed32bdf5e4289950cd28df89451260",
            file="BenchmarkIMAGES.zip",
            folder="BenchmarkIMAGES",
            pattern=r"(?!(?:.*/)?SM/)(?:.*?/)??(?P<path>(?P<key>i\d+\.jpg))",  # SM/ holds example maps
            files=300,
        ),
    ),
    unpack=("BenchmarkIMAGES/i1.jpg ... i300.jpg",),
    images={"test": 300},
    overrides="data=mit300",
)

CAT2000 = Source(
    title="CAT2000 (Borji & Itti, 2015)",
    page="http://saliency.mit.edu/results_cat2000.html",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "trainSet.zip",
            "http://saliency.mit.edu/trainSet.zip",
            4000,
            "56ad5c77e6c8f72ed9ef2901628d6e48",
            file="trainSet.zip",
            folder="trainSet",
            pattern=r"(?!(?:.*/)?testSet/)(?:.*?/)??"
            r"(?P<path>Stimuli/[^/]+/\d+\.jpg|FIXATIONLOCS/[^/]+/\d+\.mat|allFixData\.mat)",
            files=4001,
        ),
        Archive(
            "testSet.zip, images alone",
            "http://saliency.mit.edu/testSet.zip",
            md5="903ec668df2e5a8470aef9d8654e7985",
            file="testSet.zip",
            folder="testSet",
            pattern=r"(?!(?:.*/)?trainSet/)(?:.*?/)??(?P<path>Stimuli/[^/]+/\d+\.jpg)",
            files=2000,
        ),
    ),
    unpack=(
        "trainSet/Stimuli/<Category>/<nnn>.jpg        20 categories of 100 images",
        "trainSet/allFixData.mat                      the fixations of every observer",
        "trainSet/FIXATIONLOCS/<Category>/<nnn>.mat   only for data.ground_truth=maps",
        "testSet/Stimuli/<Category>/<nnn>.jpg         images alone",
    ),
    images={"all": 2000, "test": 2000},
    fixations={"all": 667_804},
    size=(1080, 1920),
    overrides="data=cat2000",
)

TORONTO = Source(
    title="Toronto (Bruce & Tsotsos, 2005)",
    page="http://www-sop.inria.fr/members/Neil.Bruce/",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "eyetrackingdata.zip",
            "http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip",
            12.3,
            "38d5c02217060d4d2d1a4649cc632af1",
            file="eyetrackingdata.zip",
            folder="eyetrackingdata",
            pattern=r"(?:.*?/)??(?P<path>fixdens/(?P<key>Original Image Set/\d+\.jpg|origfixdata\.mat))",
            files=121,
        ),
    ),
    unpack=(
        "eyetrackingdata/fixdens/Original Image Set/1.jpg ... 120.jpg",
        "eyetrackingdata/fixdens/origfixdata.mat",
    ),
    images={"all": 120},
    fixations={"all": 11_199},
    size=(511, 681),
    overrides="data=toronto",
)

PASCAL_S = Source(
    title="PASCAL-S (Li et al., 2014)",
    page="http://cbs.ic.gatech.edu/salobj/",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "salObj.zip (the server's TLS certificate is invalid)",
            "http://cbs.ic.gatech.edu/salobj/download/salObj.zip",
            108,
            "e48b4e5deac08bddcaec55ce56e4d420",
            file="salObj.zip",
            folder="datasets",
            pattern=r"(?!(?:.*/)?masks/)(?:.*?/)??(?P<path>(?P<key>imgs/pascal/\d+\.jpg|fixations/pascalFix\.mat))",
            files=851,
            trust_any=True,
        ),
    ),
    unpack=("datasets/imgs/pascal/1.jpg ... 850.jpg", "datasets/fixations/pascalFix.mat"),
    images={"all": 850},
    fixations={"all": 40_314},
    overrides="data=pascal_s",
)
