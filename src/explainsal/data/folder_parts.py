"""Read ``splits.json``, which lists the images of the parts train, val and test of your own folder."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from pathlib import Path

from explainsal.data.dataset import SaliencyDataset
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

FILE = "splits.json"
PARTS = ("train", "val", "test")


def read_parts(path: str | Path) -> dict[str, list[str]]:
    """Return the image names of each part, in the order train, val, test; empty without ``splits.json``.

    Args:
        path: The folder of the data set, or a single picture.

    Raises:
        CorruptFileError: If the file is not {"train": [names], ...}, names another part, or an image is in two parts.
    """
    file = Path(path) / FILE
    if not file.is_file():
        return {}
    try:
        content = dict(json.loads(file.read_text(encoding="utf-8-sig")))
        splits = {part: [str(name) for name in content[part]] for part in PARTS if part in content}
    except (OSError, ValueError, TypeError) as error:
        raise CorruptFileError(
            f'cannot read {file}: {error}. It must hold {{"train": [names], "val": [], "test": []}}'
        ) from error
    unknown = [key for key in content if key not in PARTS]
    if unknown:
        raise CorruptFileError(f"{file}: unknown part {unknown[0]!r}; the parts are {', '.join(PARTS)}")
    twice = [name for name, count in Counter(name for names in splits.values() for name in names).items() if count > 1]
    if twice or not splits:
        raise CorruptFileError(f"{file}: {f'{twice[0]} is named twice' if twice else 'no part train, val or test'}")
    return splits


def select_part(dataset: SaliencyDataset, path: Path, split: str, *, skip: bool = False) -> SaliencyDataset:
    """Select one part of a folder.

    Args:
        skip: Whether named images that `dataset` lacks, such as damaged ones, are skipped with a warning.

    Raises:
        UserError: If the part does not exist.
        MissingFilesError: If a named image is missing and `skip` is false, or all are missing.
    """
    splits = read_parts(path)
    if split not in splits:
        raise UserError(f"{path} has no {split} part: splits.json names {', '.join(splits) or 'none, or is missing'}")
    position = {key: i for i, key in enumerate(dataset.ids)}
    named = [name if name in position else str(Path(name).with_suffix("")) for name in splits[split]]
    absent = [name for name in named if name not in position]
    if absent and (not skip or len(absent) == len(named)):
        raise MissingFilesError(f"{path / FILE}: {len(absent)} images of {split} are missing: {absent[0]}")
    if absent:
        names = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
        warnings.warn(f"{path / FILE}: {len(absent)} images of {split} are skipped: {names}", stacklevel=3)
    return dataset.select([position[name] for name in named if name in position], split=split)
