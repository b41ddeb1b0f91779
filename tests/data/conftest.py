"""Small folders that look like the published archives, with numbers that a reader of the test can check."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.data.lookalikes.salicon import coco_names, write_mat, write_salicon

__all__ = ["coco_names", "write_mat", "write_salicon"]


@pytest.fixture
def salicon(tmp_path: Path) -> tuple[Path, dict[str, dict[str, list]]]:
    """A SALICON of 6 + 3 + 2 images, and its fixations as written."""
    root = tmp_path / "salicon"
    counts = {"train": 6, "val": 3, "test": 2}
    return root, {split: write_salicon(root, split, coco_names(split, n)) for split, n in counts.items()}
