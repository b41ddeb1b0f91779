"""Check files: images without partners, partners without images, and unreadable files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.decoding import IMAGE_SUFFIXES, OTHER_SUFFIXES, read_image
from explainsal.data.doctor.finding import Finding, finding
from explainsal.data.listing import files_below
from explainsal.data.mat import read_mat
from explainsal.errors import UserError

PARTNERS = 0.5  # from this share of images with a file in another folder on, all should have one
SUFFIXES = (*IMAGE_SUFFIXES, ".mat")
Folders = dict[tuple[str, str], dict[str, str]]  # folder and suffix -> stem -> file


def check_files(root: Path, datasets: Iterable[SaliencyDataset]) -> list[Finding]:
    """Find faults of the files below the root in their names and headers.

    Args:
        datasets: Its splits; files outside them are tried one by one.
    """
    if not root.is_dir():
        return []
    folders = _folders(root)
    read = {file for dataset in datasets for file in dataset.files}
    images = {str(Path(file).parent) for file in read}
    found = []
    for image_key in [key for key in folders if key[0] in images]:
        for key in folders:
            if key[0] not in images:
                found += _partners(folders[image_key], folders[key], Path(key[0]).relative_to(root).as_posix())
    suspects = [file for files in folders.values() for file in files.values() if file not in read]
    known = {Path(file).stem for file in read}
    broken = [file for file in suspects if Path(file).stem not in known and not _is_readable(file)]
    text = "{n} files cannot be read: unpack or copy them again"
    others = [Path(file).relative_to(root).as_posix() for file in files_below(root, OTHER_SUFFIXES)]
    found += finding("other format", "", "{n} pictures have an unsupported format: convert them", others)
    return found + finding("unreadable", "", text, [Path(f).relative_to(root).as_posix() for f in broken])


def _folders(root: Path) -> Folders:
    folders: Folders = defaultdict(dict)
    for file in files_below(root, SUFFIXES):
        path = Path(file)
        folders[str(path.parent), path.suffix.lower()][path.stem] = file
    return folders


def _partners(images: Mapping[str, str], others: Mapping[str, str], place: str) -> list[Finding]:
    common = images.keys() & others.keys()
    if len(common) < PARTNERS * min(len(images), len(others)) or not common:
        return []
    found = []
    if len(common) >= PARTNERS * len(images):
        missing = sorted(images.keys() - others.keys())
        found += finding("missing partner", "", f"{{n}} images have no file in {place}", missing)
    if len(common) >= PARTNERS * len(others):
        orphans = sorted(others.keys() - images.keys())
        found += finding("orphan", "", f"{{n}} files in {place} belong to no image", orphans)
    return found


def _is_readable(file: str) -> bool:
    try:
        if file.lower().endswith(".mat"):
            read_mat(file, "")
        else:
            read_image(file)
    except UserError:
        return "7.3" in _version(file)
    return True


def _version(file: str) -> str:
    with Path(file).open("rb") as head:
        return head.read(20).decode("latin-1")
