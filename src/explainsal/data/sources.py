"""Where the published data sets come from, what they contain, and the one message for a data set that is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from explainsal.errors import MissingFilesError

ALTERNATIVE = "python -m explainsal.train +experiment=cmrnet data=synthetic"


@dataclass(frozen=True)
class Archive:
    """One file to fetch: its content, address, size as published, and MD5 ("" where none is known)."""

    content: str
    address: str
    size: str
    md5: str = ""

    def __str__(self) -> str:
        return f"{self.content}: {self.address}  ({self.size}; MD5 {self.md5 or 'not published'})"


@dataclass(frozen=True)
class Source:
    """A published data set.

    Args:
        title: Its name and release.
        page: Where the authors describe it.
        licence: Terms of use.
        archives: What to fetch.
        unpack: How the files must lie under the data root, one line per step.
        images: Number of images per split.
        fixations: Number of fixations per split.
        size: Height and width of every image in pixels.
    """

    title: str
    page: str
    licence: str
    archives: tuple[Archive, ...]
    unpack: tuple[str, ...]
    images: dict[str, int] = field(default_factory=dict)
    fixations: dict[str, int] = field(default_factory=dict)
    size: tuple[int, int] | None = None

    def missing(self, what: str, looked: Sequence[Path]) -> MissingFilesError:
        """The error for files that are not there.

        Args:
            what: The missing files, e.g. ``fixations (.mat) of the train split``.
            looked: The folders that were searched.
        """
        lines = [f"{self.title}: {what} not found.", "Looked in:"]
        lines += [f"  {path.absolute()}" for path in dict.fromkeys(looked)]
        lines += [f"Where it comes from ({self.page}), to be fetched by hand:"]
        lines += [f"  {archive}" for archive in self.archives]
        lines += ["How it must lie under the data root (set data.root=FOLDER for another place):"]
        lines += [f"  {step}" for step in self.unpack]
        lines += [f"Licence: {self.licence}", "Without it, this works on generated scenes:", f"  {ALTERNATIVE}"]
        return MissingFilesError("\n".join(lines))


def _drive(file_id: str) -> str:
    return f"https://drive.google.com/uc?id={file_id}&export=download"


_SALICON_IMAGES = Archive(
    "image.zip, all splits", _drive("1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5"), "3.0 GB", "eb2a1bb706633d1b31fc2e01422c5757"
)
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
                "1.4 GB",
                "462b70f4f9e8ea446ac628e46cea8d3d",
            ),
            Archive("maps.zip", _drive("1PnO7szbdub1559LfjYHMy65EDC4VhJC8"), "0.4 GB"),
        ),
        unpack=_SALICON_UNPACK,
        images=_SALICON_COUNT,
        fixations={"train": 4_598_112, "val": 2_576_914},
        size=(480, 640),
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
                "size not published",
                "9a22db9d718200fb90252e5010c004c4",
            ),
            Archive("maps", "linked on that page", "size not published"),
        ),
        unpack=_SALICON_UNPACK,
        images=_SALICON_COUNT,
        fixations={"train": 3_171_533, "val": 1_662_655},
        size=(480, 640),
    ),
}

OSIE = Source(
    title="OSIE (predicting human gaze beyond pixels)",
    page="https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels",
    licence="MIT",
    archives=(
        Archive(
            "repository as a zip file",
            "https://github.com/NUS-VIP/predicting-human-gaze-beyond-pixels/archive/refs/heads/master.zip",
            "size not published",
            "fixations.mat in it: 8efdf6fe66f38b6e70f854c7ff45aa70",
        ),
    ),
    unpack=("data/stimuli/1001.jpg ... 1700.jpg", "data/eye/fixations.mat"),
    images={"train": 350, "val": 50, "test": 100},
    fixations={"train": 48_793, "val": 6_943, "test": 14_140},  # counted; 98,321 on all 700 published images
    size=(600, 800),
)

_NO_LICENCE = "none stated by the authors: for research, cite them, do not pass the pictures on"
_JUDD = "http://people.csail.mit.edu/tjudd/WherePeopleLook"

MIT1003 = Source(
    title="MIT1003 (Judd et al., 2009)",
    page=f"{_JUDD}/index.html",
    licence=_NO_LICENCE,
    archives=(
        Archive("ALLSTIMULI.zip", f"{_JUDD}/ALLSTIMULI.zip", "235 MB", "0d7df8b954ecba69b6796e77b9afe4b6"),
        Archive("DATA.zip, gaze of 15 observers", f"{_JUDD}/DATA.zip", "47.1 MB", "ea19d74ad0a0144428c53e9d75c2d71c"),
        Archive("ALLFIXATIONMAPS.zip, for data.ground_truth=maps", f"{_JUDD}/ALLFIXATIONMAPS.zip", "size unknown"),
    ),
    unpack=(
        "ALLSTIMULI/<image>.jpeg                                 1003 images",
        "DATA/<observer>/<image>.mat                             15 observers",
        "ALLFIXATIONMAPS/<image>_fixMap.jpg, <image>_fixPts.jpg  only for data.ground_truth=maps",
    ),
    images={"all": 1003},
    fixations={"all": 104_171},
)

MIT300 = Source(
    title="MIT300 (Judd et al., 2012)",
    page="http://saliency.mit.edu/results_mit300.html",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "BenchmarkIMAGES.zip",
            "http://saliency.mit.edu/BenchmarkIMAGES.zip",
            "44.4 MB",
            "03ed32bdf5e4289950cd28df89451260",
        ),
    ),
    unpack=("BenchmarkIMAGES/i1.jpg ... i300.jpg",),
    images={"test": 300},
)

CAT2000 = Source(
    title="CAT2000 (Borji & Itti, 2015)",
    page="http://saliency.mit.edu/results_cat2000.html",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "trainSet.zip", "http://saliency.mit.edu/trainSet.zip", "about 4 GB", "56ad5c77e6c8f72ed9ef2901628d6e48"
        ),
        Archive(
            "testSet.zip, images alone",
            "http://saliency.mit.edu/testSet.zip",
            "size not published",
            "903ec668df2e5a8470aef9d8654e7985",
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
)

TORONTO = Source(
    title="Toronto (Bruce & Tsotsos, 2005)",
    page="http://www-sop.inria.fr/members/Neil.Bruce/",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "eyetrackingdata.zip",
            "http://www-sop.inria.fr/members/Neil.Bruce/eyetrackingdata.zip",
            "12.3 MB",
            "38d5c02217060d4d2d1a4649cc632af1",
        ),
    ),
    unpack=(
        "eyetrackingdata/fixdens/Original Image Set/1.jpg ... 120.jpg",
        "eyetrackingdata/fixdens/origfixdata.mat",
    ),
    images={"all": 120},
    fixations={"all": 11_199},
    size=(511, 681),
)

PASCAL_S = Source(
    title="PASCAL-S (Li et al., 2014)",
    page="http://cbs.ic.gatech.edu/salobj/",
    licence=_NO_LICENCE,
    archives=(
        Archive(
            "salObj.zip (the server's TLS certificate is invalid)",
            "http://cbs.ic.gatech.edu/salobj/download/salObj.zip",
            "about 108 MB",
            "e48b4e5deac08bddcaec55ce56e4d420",
        ),
    ),
    unpack=("datasets/imgs/pascal/1.jpg ... 850.jpg", "datasets/fixations/pascalFix.mat"),
    images={"all": 850},
    fixations={"all": 40_314},
)
