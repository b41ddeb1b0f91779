"""MIT300: 300 images whose fixations are not public; predicted maps are submitted. Judd et al., 2012."""

from __future__ import annotations

import re
from pathlib import Path

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.listing import files_by_stem, unpacked
from explainsal.data.reading import Reading, read_dataset
from explainsal.data.sources import MIT300
from explainsal.data.splits import natural_key

NAME = re.compile(r"i\d+")


def read_mit300(root: str | Path, *, reading: Reading | None = None) -> SaliencyDataset:
    """Read MIT300's images in the order i1, i2, ... i300, without the example maps in the archive's folder ``SM``.

    Args:
        root: Folder with ``BenchmarkIMAGES``.

    Raises:
        MissingFilesError: If all images are missing.
        CorruptFileError: If a file cannot be read.
    """
    root = Path(root)
    for folder in unpacked(root, "BenchmarkIMAGES"):
        images = {stem: path for stem, path in files_by_stem(folder, (".jpg",)).items() if NAME.fullmatch(stem)}
        if images:
            break
    else:
        raise MIT300.missing("images (i1.jpg ...)", [root / "BenchmarkIMAGES"] if root.is_dir() else [root])
    ordered = {key: images[key] for key in sorted(images, key=natural_key)}
    return read_dataset(root, name="mit300", split="test", images=ordered, reading=reading)
