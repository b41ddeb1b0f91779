"""Downloads from a real server on localhost with the faults that servers have."""

import errno
import hashlib
import subprocess

import numpy as np
import pytest
from tests.fetch.server import Faulty

from explainsal.errors import CorruptFileError, UserError
from explainsal.fetch import download as module
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.download import RemoteFile, Retry, download
from explainsal.fetch.web import RefusedError

CONTENT = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
MD5 = Checksum("md5", hashlib.md5(CONTENT).hexdigest())
LOOK = ""  # before a range is asked for, one look whether a page stands in the way
QUICK = Retry(attempts=3, first=0.001, longest=0.01, timeout=5)


@pytest.fixture
def server():
    with Faulty() as server:
        server.files["file.zip"] = CONTENT
        yield server


@pytest.fixture
def target(tmp_path):
    return tmp_path / "new" / "file.zip"


def fetch(server, target, *, checksum=MD5, size=300_000, name="file.zip"):
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
    server.faults = ["drop:100000", LOOK, "503", LOOK, "drop:50000"]
    fetch(server, target)
    assert_whole(target)
    assert [r for _, r in server.requests if r] == ["bytes=100000-", "bytes=100000-", "bytes=150000-"]


@pytest.mark.parametrize("options", [{"ranges": False}, {"etags": False}, {"lengths": False, "ranges": False}])
def test_servers_without_ranges_versions_or_lengths(server, target, options):
    vars(server).update(options)
    server.faults = ["drop:100000"]
    fetch(server, target)
    assert_whole(target)


def test_another_version_on_the_server_is_never_glued_to_the_old_one(server, target):
    for etags in (True, False):
        server.etags = etags
        server.files["file.zip"] = b"old" * 90_000
        server.faults = ["drop:100000", *["503"] * 10]
        with pytest.raises(UserError, match=r"attempts in vain. 100.0 kB are kept"):
            fetch(server, target)
        server.faults, server.files["file.zip"] = [], CONTENT
        fetch(server, target, checksum=None)  # which would find it out, too
        assert_whole(target)
        target.unlink()


def test_a_server_that_fails_for_good_is_left_alone_and_what_came_is_kept(server, target):
    server.faults = ["drop:100000", *["503"] * 10]
    with pytest.raises(UserError, match=r"503 .*3 attempts in vain. 100.0 kB are kept.*\n.*with a browser"):
        fetch(server, target)
    server.faults = []
    fetch(server, target)
    assert_whole(target)


def test_a_file_that_is_not_there_is_not_asked_for_again(server, target):
    with pytest.raises(
        RefusedError, match=r"(?s)404 .*By hand: fetch .*none.zip with a browser, save it as .*file.zip"
    ):
        fetch(server, target, name="none.zip")
    assert len(server.requests) == 1


def test_no_server(server, target):
    address = server.address("file.zip")
    server.__exit__()
    with pytest.raises(UserError, match=r"127.0.0.1:\d+ does not answer"):
        download(RemoteFile(address), target, retry=QUICK)


def test_no_network_ends_at_once(target, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda seconds: pytest.fail("waited"))
    with pytest.raises(UserError, match=r"nowhere.invalid does not answer .*no network\?\nBy hand: fetch http"):
        download(RemoteFile("http://nowhere.invalid/file.zip"), target)


def test_the_wrong_file_is_refused_and_not_kept(server, target):
    server.files["file.zip"] = b"x" * 300_000
    with pytest.raises(CorruptFileError, match=rf"checksum is not MD5 {MD5.value}"):
        fetch(server, target)
    assert not list(target.parent.iterdir())
    assert len(server.requests) == 1


def test_a_damaged_half_file_costs_one_more_download(server, target):
    server.faults = ["drop:100000", *["503"] * 10]
    with pytest.raises(UserError):
        fetch(server, target)
    part = target.with_name("file.zip.part")
    part.write_bytes(b"\0" * 100_000)
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
    server.files["file.zip"] = bytes(3_000_000)
    with pytest.raises(RefusedError, match=r"is 3.0 MB large, published were 100|sends more than"):
        fetch(server, target, size=100_000)


def test_the_confirmation_page_of_google_drive_is_passed(server, target):
    server.confirm = True
    server.faults = ["", "drop:100000"]
    fetch(server, target, name="uc?id=1abc&export=download")
    assert_whole(target)
    assert server.requests[1][0] == "file.zip?id=1abc&export=download&confirm=t&uuid=0-1-2"
    assert server.requests[-1][1] == "bytes=100000-"


@pytest.mark.parametrize(("page", "message"), [
    (b"<html>Google Drive - Quota exceeded: Too many users</html>", "too many people fetched the file lately"),
    (b"<html>Please sign in</html>", "answers with a web page in place of the file"),
    (b"<form id=download-form action=/file.zip></form>", "leads to a web page in place of the file"),
])  # fmt: skip
def test_other_pages_are_no_files(server, target, page, message):
    server.page = page
    with pytest.raises(RefusedError, match=message):
        fetch(server, target)
    assert not list(target.parent.iterdir())


def test_too_little_room_is_said_before_anything_is_fetched(server, target, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 64 << 20})())
    with pytest.raises(UserError, match=r"fetching file.zip needs 300.0 kB in .*, where 67.1 MB are free"):
        fetch(server, target)
    assert not list(target.parent.iterdir())


def test_a_disk_that_fills_up_is_one_message_and_the_rest_comes_later(server, target, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(module._Transfer, "_copy", full_after_100kB)
        with pytest.raises(UserError, match=r"the disk is full while fetching file.zip .*goes on from there"):
            fetch(server, target)
    assert target.with_name("file.zip.part").stat().st_size == 100_000
    fetch(server, target)
    assert_whole(target)
    assert server.requests[-1][1] == "bytes=100000-"


def full_after_100kB(self, answer, write, show):
    write(answer.stream.read(100_000))
    raise OSError(errno.ENOSPC, "No space left on device")


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
