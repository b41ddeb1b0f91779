"""The manifest of a run: written atomically, and rewritten after damage by a full disk."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from tests.disks import fill, small_disk

from explainsal.reporting.manifest import Manifest, read_manifest, write_manifest
from explainsal.workflows.runs import RunFolder

CONFIG = {"seed": 3, "model": {"name": "deep", "size": 3}}


@pytest.mark.parametrize("damage", ["", '{"command": "py', "[]", "\x00\x00\x00"])
def test_a_damaged_record_is_replaced(tmp_path: Path, damage: str) -> None:
    write_manifest(tmp_path, CONFIG, model={"name": "deep"})
    for name in ("environment.json", "config.yaml"):
        (tmp_path / name).write_text(damage)
    write_manifest(tmp_path, CONFIG, model={"name": "deep"})
    assert json.loads((tmp_path / "environment.json").read_text())["model"] == {"name": "deep"}
    assert yaml.safe_load((tmp_path / "config.yaml").read_text()) == CONFIG


def test_a_full_disk_leaves_the_record_that_was_there(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=16 << 10) as disk:
        write_manifest(disk, CONFIG, model={"name": "deep"})
        before = {path.name: path.read_text() for path in disk.iterdir()}
        ballast = fill(disk)
        with pytest.raises(OSError, match="No space left"):
            write_manifest(disk, CONFIG, model={"name": "other"})
        ballast.unlink()
        assert {path.name: path.read_text() for path in disk.iterdir()} == before
        write_manifest(disk, CONFIG, model={"name": "other"})
        assert json.loads((disk / "environment.json").read_text())["model"] == {"name": "other"}


def test_a_manifest_keeps_what_is_known_and_names_the_files(tmp_path: Path) -> None:
    command = ("explain", "image=my photo.jpg")
    cpu, data = torch.device("cpu"), {"name": "osie", "split": "test", "release": None, "images": 3}
    presets = {"sparse": {"top_k": 5}}
    write_manifest(tmp_path, CONFIG, command=command, device=cpu, data=data, presets=presets, nulls=["random_layer"])
    (tmp_path / "maps").mkdir()
    for name in ("maps/a.png", ".hydra.log", "report.html"):
        (tmp_path / name).touch()
    write_manifest(tmp_path, CONFIG, command=command, device=cpu)
    found = read_manifest(tmp_path)
    assert found is not None
    assert (found.task, found.command) == ("explain", "python -m explainsal.explain 'image=my photo.jpg'")
    assert (found.data, found.presets, found.nulls, found.seed) == (data, presets, ["random_layer"], 3)
    assert found.files == ["config.yaml", "maps/a.png", "report.html"]
    assert found.device.startswith("CPU (")


def test_a_manifest_of_an_older_version_is_read(tmp_path: Path) -> None:
    old = {"command": "python -m explainsal.evaluate model=itti", "seed": 0, "dropped": 1}
    (tmp_path / "environment.json").write_text(json.dumps(old))
    assert read_manifest(tmp_path) == Manifest(task="evaluate", command=old["command"], seed=0)


def test_values_of_a_wrong_type_count_as_missing(tmp_path: Path) -> None:
    old = {"command": ["python"], "seed": "three", "presets": [], "data": "osie", "files": "a.png", "started": 5}
    (tmp_path / "environment.json").write_text(json.dumps(old))
    assert read_manifest(tmp_path) == Manifest()


def test_a_repeated_run_in_the_same_folder_has_its_own_start(tmp_path):
    write_manifest(tmp_path, CONFIG, started="2026-01-01T00:00:00+00:00")
    run = RunFolder(tmp_path, CONFIG)
    run.record()
    run.record({"name": "deep"})
    found = read_manifest(tmp_path)
    assert found.started == run.started != "2026-01-01T00:00:00+00:00"
    assert found.started <= found.finished
