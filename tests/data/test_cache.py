"""Parsed fixations: kept, renewed when a file changes, safe against kills, races and read-only folders."""

import multiprocessing
import os
import re
from pathlib import Path

import numpy as np
import pytest

from explainsal.data import cache as module
from explainsal.data.cache import cached_table
from explainsal.data.fixation_table import FixationTable


def table(value: float = 0.5) -> FixationTable:
    points = [np.array([[value, 1.5], [2.5, 3.5]]), np.zeros((0, 2))]
    return FixationTable.from_observers(["a", "b"], [(4, 6), (5, 7)], [points, [np.array([[1.0, 1.0]])]])


class Builder:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> FixationTable:
        self.calls += 1
        return table(0.5 + self.calls)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "data" / "a.mat"
    path.parent.mkdir()
    path.write_bytes(b"123")
    return path


def get(source: Path, build, **options) -> FixationTable:
    return cached_table("set-train", source.parent, [source], build, **options)


def same(a: FixationTable, b: FixationTable) -> bool:
    fields = ("sizes", "xy", "observer", "offsets")
    return a.ids == b.ids and all(np.array_equal(getattr(a, f), getattr(b, f)) for f in fields)


def test_built_once_and_equal_when_read_again(source):
    build = Builder()
    first, second = get(source, build), get(source, build)
    assert build.calls == 1
    assert same(first, second)
    assert first.observer.tolist() == [0, 0, 0]
    assert [len(second.points(i)) for i in range(2)] == [2, 1]
    (stored,) = (source.parent / ".explainsal").iterdir()
    assert re.fullmatch(r"set-train-[0-9a-f]{16}\.npz", stored.name)


@pytest.mark.parametrize("change", ["size", "time", "more"])
def test_a_changed_source_is_parsed_again(source, change):
    build = Builder()
    get(source, build)
    sources = [source]
    if change == "size":
        source.write_bytes(b"1234")
    elif change == "time":
        os.utime(source, ns=(1, source.stat().st_mtime_ns + 1))
    else:
        sources.append(source.with_name("b.mat"))
        sources[1].write_bytes(b"")
    cached_table("set-train", source.parent, sources, build)
    assert build.calls == 2
    assert len(list((source.parent / ".explainsal").iterdir())) == 1  # the stale one is gone


def test_a_damaged_cache_is_built_again(source, caplog):
    build = Builder()
    get(source, build)
    stored = next((source.parent / ".explainsal").iterdir())
    for content in (stored.read_bytes()[:100], b"", b"PK\x03\x04" + bytes(50)):
        stored.write_bytes(content)
        assert same(get(source, build), table(0.5 + build.calls))
    assert build.calls == 4
    assert "rebuilding it" in caplog.text


def test_a_kill_while_writing_leaves_nothing_that_looks_whole(source, monkeypatch):
    def killed(self, path):
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(FixationTable, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        get(source, Builder())
    assert list((source.parent / ".explainsal").glob("set-*")) == []
    monkeypatch.undo()
    assert same(get(source, table), table())


def test_a_kill_before_the_file_is_moved_into_place(source, monkeypatch):
    def killed(temporary, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        get(source, Builder())
    assert list((source.parent / ".explainsal").iterdir()) == []


def test_a_full_disk_costs_only_time(source, monkeypatch, caplog):
    def full(self, path):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FixationTable, "save", full)
    assert same(get(source, table), table())
    assert "No space left" in caplog.text


def test_read_only_data_are_cached_at_home(source, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    source.parent.chmod(0o555)
    build = Builder()
    try:
        get(source, build)
        get(source, build)
    finally:
        source.parent.chmod(0o755)
    assert build.calls == 1
    assert not (source.parent / ".explainsal").exists()
    assert len(list((tmp_path / "home").rglob("*.npz"))) == 1


def test_a_folder_of_choice_serves_several_data_sets(source, tmp_path):
    other = tmp_path / "other" / "a.mat"
    other.parent.mkdir()
    other.write_bytes(b"5678")
    build = Builder()
    for path in (source, other, source, other):
        get(path, build, folder=tmp_path / "cache")
    assert build.calls == 2


def _build_slowly(path: str) -> bool:
    return same(get(Path(path), table), table())


def test_two_processes_at_once(source):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert all(pool.map(_build_slowly, [str(source)] * 6))
    assert [p.suffix for p in (source.parent / ".explainsal").iterdir()] == [".npz"]


def test_format_is_part_of_the_key(source, monkeypatch):
    build = Builder()
    get(source, build)
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    get(source, build)
    assert build.calls == 2
