"""The parts of a folder of one's own: ``splits.json`` with the names of the images of train, val and test."""

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
    """The names of the images of each part, in the order train, val, test; empty without ``splits.json``.

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
            f'cannot read {file}: {error}. It holds {{"train": [names], "val": [], "test": []}}'
        ) from error
    unknown = [key for key in content if key not in PARTS]
    if unknown:
        raise CorruptFileError(f"{file}: no part is called {unknown[0]!r}; they are {', '.join(PARTS)}")
    twice = [name for name, count in Counter(name for names in splits.values() for name in names).items() if count > 1]
    if twice or not splits:
        raise CorruptFileError(f"{file}: {f'{twice[0]} is named twice' if twice else 'no part train, val or test'}")
    return splits


def select_part(dataset: SaliencyDataset, path: Path, split: str, *, skip: bool = False) -> SaliencyDataset:
    """One part of a folder.

    Args:
        dataset: All of its images.
        path: The folder.
        split: The part.
        skip: Whether images that are named but not in `dataset`, as damaged ones are, are left out with a warning.

    Raises:
        UserError: If there is no such part.
        MissingFilesError: If a named image is not there and `skip` is false, or none of them is.
    """
    splits = read_parts(path)
    if split not in splits:
        raise UserError(f"{path} has no {split} part: splits.json names {', '.join(splits) or 'none, or is not there'}")
    position = {key: i for i, key in enumerate(dataset.ids)}
    named = [name if name in position else str(Path(name).with_suffix("")) for name in splits[split]]
    absent = [name for name in named if name not in position]
    if absent and (not skip or len(absent) == len(named)):
        raise MissingFilesError(f"{path / FILE}: {len(absent)} images of {split} are not there: {absent[0]}")
    if absent:
        names = ", ".join(absent[:10]) + (", ..." if len(absent) > 10 else "")
        warnings.warn(f"{path / FILE}: {len(absent)} images of {split} are left out: {names}", stacklevel=3)
    return dataset.select([position[name] for name in named if name in position], split=split)
