"""Zip files in the layouts of the published archives, with small pictures: what a server in the tests gives away."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

from tests.data.lookalikes.salicon import coco_names, write_salicon

from explainsal.data.sources import SALICON, Source

COUNTS = {"train": 6, "val": 3, "test": 2}
FILES = {"image.zip": 11, "fixations-2017.zip": 9, "maps-2017.zip": 9}
JUNK = {"__MACOSX/images/._COCO_train2014_000000000007.jpg": b"junk", ".DS_Store": b"junk"}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a folder but our own notes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and ".explainsal" not in path.parts
    }


def salicon_archives(scratch: Path) -> dict[str, bytes]:
    """Zip roots as published: images.zip has a top folder, the other two have not."""
    for split, count in COUNTS.items():
        write_salicon(scratch, split, coco_names(split, count))
    files = tree(scratch)
    return {
        "image.zip": zipped(JUNK | {k: v for k, v in files.items() if k.startswith("images/")}),
        "fixations-2017.zip": zipped({k[10:]: v for k, v in files.items() if k.startswith("fixations/")}),
        "maps-2017.zip": zipped({k[5:]: v for k, v in files.items() if k.startswith("maps/")}),
    }


def small(source: Source = SALICON["2017"], md5: dict[str, str] | None = None, **changes: object) -> Source:
    """The published source with the number of files of the look-alike."""
    archives = tuple(
        replace(a, files=FILES[a.file], megabytes=None, md5=(md5 or {}).get(a.file, ""), **changes)
        for a in source.archives
    )
    return replace(source, archives=archives)
