"""A picture, or all pictures below a folder: no ground truth, any sizes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from explainsal.data.dataset import SaliencyDataset, read_sizes
from explainsal.data.decoding import IMAGE_SUFFIXES
from explainsal.errors import MissingFilesError


def read_folder(path: str | Path) -> SaliencyDataset:
    """Pictures of any size as a data set of samples without fixations and density.

    An id is the path below the folder without its suffix, with it where two pictures would share one. Hidden files
    and what is no picture by its suffix are left out; a single file is taken whatever its name. Pictures are read as
    stored, without the rotation that an EXIF tag may ask for, as in every data set here.

    Args:
        path: A picture or a folder.

    Raises:
        MissingFilesError: If there is nothing there, or no picture in it.
        CorruptFileError: If a file is no picture or is damaged; the message names it.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFilesError(f"no such picture or folder: {path.absolute()}")
    base = path if path.is_dir() else path.parent
    images = _pictures(path) if path.is_dir() else [path]
    if not images:
        raise MissingFilesError(f"no pictures in {path.absolute()}: looked for {', '.join(IMAGE_SUFFIXES)}")
    names = [image.relative_to(base) for image in images]
    stems = Counter(name.with_suffix("") for name in names)
    ids = [(name if stems[name.with_suffix("")] > 1 else name.with_suffix("")).as_posix() for name in names]
    return SaliencyDataset(name=base.name or "folder", split="all", ids=ids, images=images, sizes=read_sizes(images))


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES
        and path.is_file()
        and not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(folder).parts)
    )
