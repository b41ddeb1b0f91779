"""Unpacking zip files: all or nothing per file, nothing outside, nothing twice."""

import errno
import stat
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch import unpack as module
from explainsal.fetch.unpack import Pattern, unpack

ANY = Pattern(r"(?P<path>.+)")
FILES = {f"a/{i}.bin": bytes([i]) * (50_000 + i) for i in range(4)} | {"b/0.bin": b"other"}


def write_zip(path, files, mode=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (mode or 0) << 16
            archive.writestr(info, content)
    return path


@pytest.fixture
def archive(tmp_path):
    return write_zip(tmp_path / "x.zip", FILES)


def content(root):
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_everything_that_matches_is_written_once(archive, tmp_path):
    root = tmp_path / "root"
    done = unpack(archive, root, "top", Pattern(r"(?P<path>a/.*)"))
    assert (done.files, done.written) == (4, 4)
    assert content(root) == {f"top/{k}": v for k, v in FILES.items() if k.startswith("a")}
    again = unpack(archive, root, "top", Pattern(r"(?:top/)?(?P<path>a/.*)"))
    assert (again.files, again.written) == (4, 0)


def test_cut_files_and_leftovers_of_a_killed_process_are_completed(archive, tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/1.bin").write_bytes(FILES["a/1.bin"][:100])
    (root / "a/2.bin").write_bytes(b"")
    (root / "a/.unpacking-3.bin").write_bytes(b"half")
    assert unpack(archive, root, "", ANY).written == 5
    assert content(root) == FILES


@pytest.mark.parametrize("other", [b"x" * 50_001, b"x", b"x" * 60_000])
def test_a_file_of_another_content_is_in_the_way(archive, tmp_path, other):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "a/1.bin").write_bytes(other)
    with pytest.raises(UserError, match=r"a/1.bin differs from the file of that name in the archive"):
        unpack(archive, root, "", ANY)
    assert content(root) == {"a/1.bin": other}


EVIL = ["../x", "a/../../x", "/etc/x", "C:/x", "..\\x", "\\x", "a/../b"]


@pytest.mark.parametrize("name", EVIL)
def test_paths_that_lead_out_are_refused(tmp_path, name):
    path = write_zip(tmp_path / "evil", {"good": b"1", name: b"2"})
    with pytest.raises(CorruptFileError, match="leads out of the folder"):
        unpack(path, tmp_path / "root" / "deep", "", ANY)
    assert not (tmp_path / "root").exists()


@given(st.lists(st.sampled_from(["..", ".", "a", "b.jpg", "", "C:", "~"]), min_size=1, max_size=5), st.booleans())
def test_no_name_ever_leads_out(tmp_path_factory, parts, backslash):
    root = tmp_path_factory.mktemp("any")
    name = ("\\" if backslash else "/").join(parts)
    if not name or name.endswith(("/", "\\")):
        return
    path = write_zip(root / "x.zip", {name: b"content"})
    inside = root / "deep" / "inside"
    try:
        unpack(path, inside, "", ANY)
    except UserError:
        assert not inside.exists()
    assert all(p.is_relative_to(inside) for p in root.rglob("*") if p.is_file() and p != path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_left_out(tmp_path, kind):
    path = write_zip(tmp_path / "x.zip", {"out": b"/etc/passwd"}, mode=kind | 0o777)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("out/x", b"1")
    assert unpack(path, tmp_path / "root", "", ANY).links == 1
    assert content(tmp_path / "root") == {"out/x": b"1"}
    assert not (tmp_path / "root" / "out").is_symlink()


def test_bombs_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(30_000_000))
    with pytest.raises(CorruptFileError, match=r"\(29.3 kB\) would unpack to 30.0 MB in 1 files, at most"):
        unpack(path, tmp_path / "root", "", ANY)
    many = write_zip(tmp_path / "many.zip", {str(i): b"" for i in range(100)})
    monkeypatch.setattr(module, "FILES", 99)
    with pytest.raises(CorruptFileError, match="in 100 files, at most .* in 99 are expected"):
        unpack(many, tmp_path / "root", "", ANY)
    assert not (tmp_path / "root").exists()


@pytest.mark.parametrize("damage", ["cut", "flipped", "text", "empty"])
def test_damaged_archives_are_named(tmp_path, damage):
    path = write_zip(tmp_path / "x.zip", FILES)
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes({"cut": data[: len(data) // 2], "flipped": data, "text": b"hello", "empty": b""}[damage])
    with pytest.raises(CorruptFileError, match=r"x\.zip is damaged, incomplete or not a zip file"):
        unpack(path, tmp_path / "root", "", ANY)


def test_archives_that_hold_something_else(tmp_path):
    with pytest.raises(CorruptFileError, match="holds none of the files of this data set"):
        unpack(write_zip(tmp_path / "x.zip", FILES), tmp_path, "", Pattern(r"(?P<path>.*\.jpg)"))
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a", "2")
    with pytest.raises(CorruptFileError, match="holds the path 'a' 2 times"):
        unpack(path, tmp_path, "", ANY)


def test_a_disk_that_fills_up_keeps_what_was_finished(archive, tmp_path, monkeypatch):
    root, done = tmp_path / "root", []
    real = module._write

    def full(archive, member, target):
        if len(done) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        done.append(target)
        real(archive, member, target)

    with monkeypatch.context() as patch:
        patch.setattr(module, "_write", full)
        with pytest.raises(UserError, match=r"the disk is full while unpacking x\..*same command again to resume"):
            unpack(archive, root, "", ANY)
    assert len(content(root)) == 2
    assert unpack(archive, root, "", ANY).written == 3
    assert content(root) == FILES


def test_too_little_room_is_said_first(archive, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 64 << 20})())
    with pytest.raises(UserError, match=r"unpacking x\.\w+ needs 200.0 kB in .* but only 67.1 MB are free"):
        unpack(archive, tmp_path / "root", "", ANY)
    assert not (tmp_path / "root").exists()
