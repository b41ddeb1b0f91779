"""Downloads from a real server on localhost with the faults that servers have."""

import errno
import hashlib
import subprocess
from contextlib import suppress

import gdown
import gdown.exceptions
import numpy as np
import pytest
from tests.fetch.server import Faulty

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import DiskError
from explainsal.fetch.download import RefusedError, RemoteFile, Retry, download

CONTENT = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()
KEPT = 1 << 20  # of a connection that breaks after 1.2 MB: gdown writes half a MB at a time
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())
QUICK = Retry(attempts=3, pause=0.001, timeout=5)


@pytest.fixture
def server():
    with Faulty() as server:
        server.files["file.zip"] = CONTENT
        yield server


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # gdown's pauses


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.zip"


def fetch(server, target, *, checksum=MD5, size=3_000_000, name="file.zip"):
    return download(RemoteFile(server.address(name), (checksum,) if checksum else (), size), target, retry=QUICK)


def assert_whole(target):
    assert target.read_bytes() == CONTENT
    assert [path.name for path in target.parent.iterdir()] == ["file.zip"]


def test_a_file_arrives_once(server, target):
    assert fetch(server, target) == target
    assert_whole(target)
    fetch(server, target)
    assert server.requests == [("file.zip", None)]


def test_dropped_connections_are_continued_where_they_broke(server, target):
    server.faults = ["drop:1200000", "drop:600000"]
    fetch(server, target)
    assert_whole(target)
    assert [r for _, r in server.requests] == [None, f"bytes={KEPT}-", f"bytes={KEPT * 3 // 2}-"]


@pytest.mark.parametrize("options", [{"ranges": False}, {"etags": False}, {"lengths": False}])
def test_servers_without_ranges_versions_or_lengths(server, target, options):
    vars(server).update(options)
    server.faults = [] if options == {"lengths": False} else ["drop:1200000"]
    fetch(server, target)
    assert_whole(target)


@pytest.mark.parametrize("checksum", [MD5, None])
def test_another_version_on_the_server_is_never_glued_to_the_old_one(server, target, checksum):
    server.files["file.zip"] = b"old" * 900_000
    server.faults = ["drop:1200000", *["503"] * 10]
    with pytest.raises(UserError, match="503"):
        fetch(server, target, checksum=checksum)
    server.faults, server.files["file.zip"] = [], CONTENT
    fetch(server, target, checksum=checksum)
    assert_whole(target)


def test_a_server_that_fails_for_good_is_left_alone_and_what_came_is_kept(server, target):
    server.faults = ["drop:1200000", *["503"] * 10]
    with pytest.raises(UserError, match=r"503 .*3 attempts failed\n1.0 MB are kept.*\nBy hand.*with a browser"):
        fetch(server, target)
    server.faults = []
    fetch(server, target)
    assert_whole(target)
    assert server.requests[-1][1] == f"bytes={KEPT}-"


def test_a_busy_server_is_asked_again(server, target):
    server.faults = ["503", "429"]
    fetch(server, target)
    assert_whole(target)


def test_a_file_that_is_not_there_is_not_asked_for_again(server, target):
    with pytest.raises(
        RefusedError, match=r"(?s)404 .*By hand: download .*none.zip with a browser, save it as .*file.zip"
    ):
        fetch(server, target, name="none.zip")
    assert len(server.requests) == 1


def test_no_server(server, target):
    address = server.address("file.zip")
    server.__exit__()
    with pytest.raises(UserError, match=r"127.0.0.1:\d+ does not answer .*\nBy hand"):
        download(RemoteFile(address), target, retry=QUICK)
    assert not list(target.parent.iterdir())


def test_no_network_ends_at_once(target, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("waited"))
    with pytest.raises(UserError, match=r"nowhere.invalid does not answer .*no network\?\nBy hand: download http"):
        download(RemoteFile("http://nowhere.invalid/file.zip"), target)


def test_the_wrong_file_is_refused_and_not_kept(server, target):
    server.files["file.zip"] = b"x" * 3_000_000
    with pytest.raises(CorruptFileError, match=rf"checksum is not MD5 {MD5.value}"):
        fetch(server, target)
    assert not list(target.parent.iterdir())
    assert len(server.requests) == 1


def test_a_damaged_half_file_costs_one_more_download(server, target):
    server.faults = ["drop:1200000", *["503"] * 10]
    with pytest.raises(UserError):
        fetch(server, target)
    (part,) = target.parent.iterdir()
    part.write_bytes(b"\0" * KEPT)
    server.faults = []
    fetch(server, target)
    assert_whole(target)


def test_a_length_that_is_too_short_is_found_by_the_checksum(server, target):
    server.faults = ["short:1000"]
    with pytest.raises(CorruptFileError, match="checksum is not"):
        fetch(server, target)
    fetch(server, target)
    assert_whole(target)


@pytest.mark.parametrize("lengths", [True, False])
def test_a_file_far_larger_than_published_is_refused(server, target, lengths):
    server.lengths = lengths
    server.files["file.zip"] = bytes(3_000_001)
    with pytest.raises(RefusedError, match=r"sends .* MB: not the published file"):
        fetch(server, target, size=100_000)


def test_a_web_page_is_no_file(server, target):
    server.page = b"\n<!DOCTYPE html><html>Please sign in</html>"
    for checksum in (MD5, None):
        with pytest.raises(RefusedError, match="returns a web page instead of the file"):
            fetch(server, target, checksum=checksum)
    assert not list(target.parent.iterdir())


def test_what_google_drive_refuses_is_said_in_one_line(target, monkeypatch):
    def refuse(address, *_, **__):
        raise gdown.exceptions.FileURLRetrievalError("Failed:\n\n\tToo many users have viewed the file")

    monkeypatch.setattr(gdown, "download", refuse)
    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [])
    with pytest.raises(RefusedError, match=r"uc\?id=1abc: Failed: Too many users have viewed the file\nBy hand"):
        download(RemoteFile("https://drive.google.com/uc?id=1abc"), target)


def test_too_little_room_is_said_before_anything_is_fetched(server, target, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 64 << 20})())
    with pytest.raises(UserError, match=r"fetching file.zip needs 3.0 MB in .*, but only 67.1 MB are free"):
        fetch(server, target)
    assert not list(target.parent.iterdir())


def test_a_disk_that_fills_up_is_one_message_and_the_rest_comes_later(server, target, monkeypatch):
    real = gdown.download

    def full(*arguments, **options):
        server.faults = ["drop:1200000"]
        with suppress(gdown.exceptions.DownloadError):
            real(*arguments, **{**options, "retries": 0})
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(gdown, "download", full)
        with pytest.raises(DiskError, match=r"the disk is full while fetching file.zip .*same command again to resume"):
            fetch(server, target)
    fetch(server, target)
    assert_whole(target)
    assert server.requests[-1][1] == f"bytes={KEPT}-"


def test_checksums_are_those_of_git_and_of_hashlib(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(CONTENT)
    blob = subprocess.run(["git", "hash-object", path], capture_output=True, text=True, check=True).stdout.strip()
    assert Checksum("git", "0" * 40).of(path).value == blob
    assert Checksum("sha256", "0" * 64).of(path).value == hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(ValueError, match="not a sha256 checksum"):
        Checksum("sha256", "0" * 40)


def test_an_untrusted_server_needs_a_checksum():
    with pytest.raises(ValueError, match="needs a checksum"):
        RemoteFile("https://x", trust_any=True)
