"""The record of a run: written whole, and written again where a full disk damaged it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from tests.disks import fill, small_disk

from explainsal.reporting.record import write_record

CONFIG = {"seed": 3, "model": {"name": "deep", "size": 3}}


@pytest.mark.parametrize("damage", ["", '{"command": "py', "[]", "\x00\x00\x00"])
def test_a_damaged_record_is_replaced(tmp_path: Path, damage: str) -> None:
    write_record(tmp_path, CONFIG, model={"name": "deep"})
    for name in ("environment.json", "config.yaml"):
        (tmp_path / name).write_text(damage)
    write_record(tmp_path, CONFIG, model={"name": "deep"})
    assert json.loads((tmp_path / "environment.json").read_text())["model"] == {"name": "deep"}
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG


def test_a_full_disk_leaves_the_record_that_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=16 << 10) as disk:
        write_record(disk, CONFIG, model={"name": "deep"})
        before = {path.name: path.read_text() for path in disk.iterdir()}
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left"):
            write_record(disk, CONFIG, model={"name": "other"})
        ballast.unlink()
        assert {path.name: path.read_text() for path in disk.iterdir()} == before
        write_record(disk, CONFIG, model={"name": "other"})
        assert json.loads((disk / "environment.json").read_text())["model"] == {"name": "other"}
