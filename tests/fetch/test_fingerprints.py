"""Fingerprints change with what they stand for, and with nothing else."""

import hashlib
import os

import pytest

from explainsal.errors import MissingFilesError
from explainsal.fetch.fingerprints import find_changes, fingerprint, fingerprint_content, fingerprint_files, sha256


def test_settings_count_in_any_order():
    assert fingerprint({"a": 1, "b": [2, 3]}) == fingerprint({"b": (2, 3), "a": 1})
    assert len({fingerprint(value) for value in ({"a": 1}, {"a": 2}, {"b": 1}, {"a": "1"}, ["a", 1])}) == 5


@pytest.mark.parametrize("change", ["name", "size", "time"])
def test_files_count_by_name_size_and_time(tmp_path, change):
    path = tmp_path / "a.mat"
    path.write_bytes(b"123")
    before = fingerprint_files([path])
    assert fingerprint_files([str(path)]) == before
    if change == "name":
        path = path.rename(tmp_path / "b.mat")
    elif change == "size":
        times = path.stat()
        path.write_bytes(b"1234")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    else:
        os.utime(path, ns=(1, path.stat().st_mtime_ns + 1))
    assert fingerprint_files([path]) != before
    with pytest.raises(MissingFilesError, match=r"no such file: .*gone"):
        fingerprint_files([path, tmp_path / "gone"])


def test_content_of_a_file_and_of_a_folder(tmp_path):
    folder = tmp_path / "maps"
    (folder / "deep").mkdir(parents=True)
    file = folder / "deep" / "a.npy"
    file.write_bytes(b"123")
    assert fingerprint_content(file) == sha256(file) == hashlib.sha256(b"123").hexdigest()
    before = fingerprint_content(folder)
    (folder / ".explainsal").mkdir()
    (folder / ".explainsal" / "cache.npz").write_bytes(b"1")
    assert fingerprint_content(folder) == before
    (folder / "deep" / "b.npy").write_bytes(b"4")
    assert fingerprint_content(folder) != before
    assert fingerprint_content(tmp_path / "gone") is None


def test_changes_are_named():
    assert find_changes(None, {"a": 1}) == ["a"]
    assert find_changes({"a": [1, 2], "b": 2, "c": 3}, {"a": (1, 2), "b": 3}) == ["b", "c"]
