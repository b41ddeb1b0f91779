"""Two `predict` commands at once, and one that is killed: the maps are whole, and nothing is left beside them."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.commands import run, start

pytestmark = pytest.mark.slow
SLOW = """
import pathlib, time, torch
class Slow(torch.nn.Module):
    count = 0
    def forward(self, images):
        self.count += 1
        while self.count > 3 and not pathlib.Path("go").exists():
            time.sleep(0.05)
        return images.float().mean(1, keepdim=True)
"""
OPTIONS = ("+model._target_=slow.Slow", "image=pictures", "data.batch_size=1", "data.num_workers=0", "trainer=cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "pictures").mkdir()
    for i in range(12):
        Image.fromarray(np.full((8, 9, 3), 9 * i, np.uint8)).save(tmp_path / "pictures" / f"{i:02}.png")
    return tmp_path


def wait_for_maps(folder: Path, count: int) -> Path:
    """Wait until so many maps are written; return their folder."""
    deadline = time.monotonic() + 120
    while len(list(folder.glob("outputs/maps/pictures/*.parts/[!.]*.png"))) < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (parts,) = folder.glob("outputs/maps/pictures/*.parts")
    return parts


def assert_whole(folder: Path) -> None:
    left = sorted(path.name for path in (folder / "outputs/maps/pictures").rglob("*") if path.is_file())
    shown = [name for name in left if not name.startswith(".")]
    assert [name for name in shown if name.endswith(".png")] == [f"{i:02}.png" for i in range(12)]
    assert len(shown) == 13  # and the card
    assert [name for name in left if name.startswith(".")] == [name for name in left if name.endswith(".lock")]
    assert not list(folder.glob("outputs/maps/pictures/*.parts"))


def test_the_second_of_two_says_that_another_process_writes(folder: Path) -> None:
    first = start(folder, "predict", *OPTIONS)
    wait_for_maps(folder, 3)
    refused = run(folder, "predict", *OPTIONS, code=2)
    assert refused.stderr.count("explainsal: another process ") == 1
    assert "Traceback" not in refused.stderr
    (folder / "go").touch()
    output = first.communicate(timeout=120)[0]
    assert first.returncode == 0, output
    assert_whole(folder)


def test_after_kill_9_the_next_one_goes_on_and_leaves_nothing(folder: Path) -> None:
    killed = start(folder, "predict", *OPTIONS)
    parts = wait_for_maps(folder, 3)
    killed.kill()
    killed.communicate()
    (parts / ".writing-1-abc.png").write_bytes(b"half")  # what a kill within the writing of a map leaves
    (folder / "go").touch()
    done = run(folder, "predict", *OPTIONS)
    assert "3 of 12 maps already exist" in done.stdout
    assert_whole(folder)
