"""Files written whole or not at all: after an error, a kill, a full disk, or beside another process."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.disks import small_disk

from explainsal.fetch.writing import (
    PREFIX,
    read_json,
    remove_abandoned,
    remove_unfinished,
    replaced_file,
    write_file,
    write_json,
)


def test_text_and_bytes_replace_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.txt"
    for content in ("grün", b"bytes", "caf\udce9"):
        write_file(path, content)
    assert path.read_text() == "caf\\udce9"
    write_json(path, {"a": 1})
    assert read_json(path) == {"a": 1}
    assert [file.name for file in path.parent.iterdir()] == ["a.txt"]


def write_half(path: Path) -> None:
    with replaced_file(path) as temporary:
        assert temporary.suffix == path.suffix
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt


def test_an_error_leaves_the_old_file_alone(tmp_path: Path) -> None:
    write_file(tmp_path / "a.npy", b"old")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "a.npy")
    assert (tmp_path / "a.npy").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", ["", '{"a": 1', "[1]", "\x00\x00", b"\xff\xfe"])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str | bytes) -> None:
    (tmp_path / "a.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert read_json(tmp_path / "a.json") is None
    assert read_json(tmp_path / "missing.json") is None


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", size=64 << 10) as disk:
        write_file(disk / "a.txt", "old")
        with pytest.raises(OSError, match="No space left"):
            write_file(disk / "a.txt", b"x" * (1 << 20))
        assert (disk / "a.txt").read_text() == "old"
        assert len(list(disk.iterdir())) == 1


WRITES = """
import sys
from explainsal.fetch.writing import write_json
while True:
    for size in (10, 200_000):
        write_json(sys.argv[1], {"values": [size] * size})
"""


def test_a_kill_leaves_a_whole_file_and_the_next_process_removes_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    for pause in (0.0, 0.01, 0.02, 0.03):
        process = subprocess.Popen([sys.executable, "-c", WRITES, str(path)])
        while not path.exists():
            time.sleep(0.001)
        time.sleep(pause)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        values = json.loads(path.read_text())["values"]
        assert len(values) == values[0]
        path.unlink()
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / f"{PREFIX}left").write_text("half")
    remove_unfinished(tmp_path)
    assert [file.name for file in tmp_path.rglob("*")] == ["below"]


def write_half_and_die(path: Path) -> None:
    with replaced_file(path) as temporary:
        temporary.write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_killed_processes_left_is_told_from_what_others_write(tmp_path: Path) -> None:
    process = multiprocessing.get_context("fork").Process(target=write_half_and_die, args=(tmp_path / "a.npz",))
    process.start()
    process.join()
    (left,) = tmp_path.iterdir()
    elsewhere = tmp_path / f"{PREFIX}{process.pid}-00000000-abc.npz"  # of another machine
    elsewhere.write_bytes(b"half")
    with replaced_file(tmp_path / "b.npz") as temporary:
        temporary.write_bytes(b"whole")
        remove_abandoned(tmp_path)
        assert sorted(tmp_path.iterdir()) == sorted([elsewhere, temporary])
    assert not left.exists()


def write_often(path: Path, value: int) -> None:
    for _ in range(100):
        write_json(path, {"values": [value] * 1000})


def test_processes_side_by_side_do_not_disturb_each_other(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_often, args=(tmp_path / "a.json", n)) for n in (1, 2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    content = read_json(tmp_path / "a.json")
    assert content is not None
    assert len(set(content["values"])) == 1
    assert len(list(tmp_path.iterdir())) == 1
