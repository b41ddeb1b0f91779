"""Fetching in a process of its own: stopped by Ctrl-C or killed, at any point, then run again."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile

import pytest
from tests.data.lookalike_archives import salicon_archives, tree, zipped
from tests.fetch.server import Faulty

pytestmark = pytest.mark.slow
MORE = range(10**6, 10**6 + 200)  # images that take a while to send and to unpack
PROGRAM = """
import sys
from pathlib import Path
from explainsal.data.archives import fetch_archives
from explainsal.data.sources import SALICON
source = SALICON["2017"]
fetch_archives(source, Path(sys.argv[1]), source.archives, mirror=sys.argv[2], verify=False)
"""


def content(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    archives = salicon_archives(tmp_path_factory.mktemp("published"))
    images = content(archives["image.zip"])
    picture = next(data for name, data in images.items() if name.endswith("7.jpg"))
    images |= {f"images/train/COCO_train2014_{i:012d}.jpg": picture for i in MORE}
    return archives | {"image.zip": zipped(images)}


@pytest.fixture
def server(published):
    with Faulty() as server:
        server.files = dict(published)
        yield server


def begin(server, root):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(root), server.address("")],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def finish(server, root):
    process = begin(server, root)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output


POINTS = {
    "while downloading": lambda root: any(root.glob("image.zip.part*")),
    "while unpacking": lambda root: (root / "images" / "train").exists(),
    "between two archives": lambda root: any(root.glob("fixations-2017.zip.part*")),
}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=lambda how: how.name)
@pytest.mark.parametrize("point", POINTS)
def test_an_interrupted_preparation_goes_on(server, tmp_path, how, point):
    root = tmp_path / "salicon"
    stopped = threading.Event()  # until then the second archive is held halfway: no machine is too fast or too slow
    server.pause = lambda: time.sleep(0.01) if len(server.requests) < 2 else stopped.wait(60)
    process = begin(server, root)
    while not POINTS[point](root):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.001)
    time.sleep(0.03)
    process.send_signal(how)
    process.wait(30)
    stopped.set()
    assert process.returncode != 0
    kept, before = tree(root), len(server.requests)
    assert 0 < len(kept) < 29 + len(MORE) + 3
    server.pause = lambda: None
    finish(server, root)
    whole = tree(root)
    assert_everything_is_there(server, whole)
    finished = {name: data for name, data in kept.items() if ".part" not in name and ".unpacking" not in name}
    assert finished.items() <= whole.items()
    asked = server.requests[before:]
    if "image.zip" in kept:
        assert "image.zip" not in [path for path, _ in asked]
    finish(server, root)
    assert len(server.requests) == before + len(asked) + (not whole)


def assert_everything_is_there(server, whole):
    for archive, folder in (("image.zip", ""), ("fixations-2017.zip", "fixations/"), ("maps-2017.zip", "maps/")):
        wanted = {folder + name: data for name, data in content(server.files[archive]).items() if "/COCO" in name}
        assert {k: v for k, v in wanted.items() if "fixations/test" not in k}.items() <= whole.items()
    assert not [name for name in whole if ".part" in name or ".unpacking" in name]
