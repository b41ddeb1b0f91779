"""From a server on localhost to a data set on disk, whatever part of it is there already."""

import hashlib
import threading
import time

import pytest
from filelock import FileLock
from tests.data.lookalike_archives import salicon_archives, small, tree, zipped
from tests.fetch.server import Faulty

from explainsal.data.archives import fetch_archives
from explainsal.data.salicon import read_salicon
from explainsal.data.sources import CAT2000, MIT300, MIT1003, OSIE, PASCAL_S, SALICON, TORONTO
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.fetch.download import Retry
from explainsal.fetch.unpack import Pattern

QUICK = Retry(attempts=2, pause=0.001, timeout=5)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return salicon_archives(tmp_path_factory.mktemp("published"))


@pytest.fixture
def server(published):
    with Faulty() as server:
        server.files = dict(published)
        yield server


@pytest.fixture
def root(tmp_path):
    return tmp_path / "data" / "salicon"


def fetch(server, root, source=None, **options):
    source = source or small()
    return fetch_archives(source, root, source.archives, mirror=server.address(""), retry=QUICK, **options)


def content(root):
    return {name: data for name, data in tree(root).items() if not name.endswith(".zip")}


def fetched(server):
    return [path for path, _ in server.requests]


def sums(published):
    return {name: hashlib.md5(data).hexdigest() for name, data in published.items()}


@pytest.fixture(scope="module")
def whole(published, tmp_path_factory):
    """The tree that a fresh preparation makes: path -> content."""
    root = tmp_path_factory.mktemp("whole")
    with Faulty() as server:
        server.files = dict(published)
        fetch(server, root)
    return content(root)


def test_a_fresh_folder_becomes_the_data_set(server, root, published):
    done = fetch(server, root, small(md5=sums(published)))
    assert [(d.found, d.files) for d in done] == [(0, 11), (0, 9), (0, 9)]
    assert len(content(root)) == 29  # neither __MACOSX nor the .mat files of the test split
    datasets = [read_salicon(root, split, release="2017") for split in ("train", "val", "test")]
    assert [len(d) for d in datasets] == [6, 3, 2]


def test_nothing_is_done_twice(server, root):
    fetch(server, root)
    times = {path: path.stat().st_mtime_ns for path in root.rglob("*.*")}
    requests = len(server.requests)
    fetch(server, root)
    assert len(server.requests) == requests
    assert times == {path: path.stat().st_mtime_ns for path in root.rglob("*.*")}


def test_archives_may_be_removed_afterwards(server, root, whole):
    fetch(server, root)
    for archive in root.glob("*.zip"):
        archive.unlink()
    requests = len(server.requests)
    fetch(server, root)
    assert len(server.requests) == requests
    (root / "maps" / "val" / sorted(p.name for p in (root / "maps" / "val").iterdir())[0]).unlink()
    fetch(server, root)
    assert fetched(server)[requests:] == ["maps-2017.zip"]
    assert content(root) == whole


@pytest.mark.parametrize("place", ["data/salicon", "data"])
@pytest.mark.parametrize("names", [("image.zip", "fixations-2017.zip"), ("images.zip", "fixations.zip")])
def test_archives_fetched_by_hand_are_used(server, tmp_path, root, published, whole, place, names):
    folder = tmp_path / place
    folder.mkdir(parents=True)
    for name, ours in zip(names, ("image.zip", "fixations-2017.zip"), strict=True):
        (folder / name).write_bytes(published[ours])
    fetch(server, root, small(md5=sums(published)))
    assert fetched(server) == ["maps-2017.zip"]
    assert content(root) == whole


def test_an_archive_of_another_release_is_told_by_its_checksum(server, root, published, whole, caplog):
    root.mkdir(parents=True)
    (root / "fixations.zip").write_bytes(zipped({"train/COCO_train2014_000000000007.mat": b"of 2015"}))
    fetch(server, root, small(md5=sums(published)))
    assert "fixations.zip is not the published" in caplog.text
    assert content(root) == whole


def test_a_cut_archive_fetched_by_hand_is_named(server, root, published):
    root.mkdir(parents=True)
    (root / "image.zip").write_bytes(published["image.zip"][:-1000])
    with pytest.raises(CorruptFileError, match=r"image.zip is not the published file: its checksum is not MD5"):
        fetch(server, root, small(md5=sums(published)))
    with pytest.raises(CorruptFileError, match=r"image.zip is damaged, incomplete or not a zip"):
        fetch(server, root)


LAYOUTS = {
    "in place": lambda name: name,
    "in a folder of its own name": lambda name: f"{name.split('/')[0]}/{name}",
    "one flat folder of images": lambda name: name if "images" not in name else f"images/{name.split('/')[-1]}",
    "MSI-Net's names": lambda name: name.replace("images/", "stimuli/").replace("maps/", "saliency/"),
    "fixations and maps together": lambda name: name.replace("maps/", "").replace("fixations/", ""),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_half_unpacked_trees_are_completed_where_they_lie(server, root, whole, layout):
    place = LAYOUTS[layout]
    for i, (name, data) in enumerate(whole.items()):
        if i % 3:  # every folder holds some
            path = root / place(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if i % 3 == 1 else data[: len(data) // 2])  # cut, as a killed unzip leaves it
    fetch(server, root)
    assert content(root) == {place(name): data for name, data in whole.items()}
    assert len(read_salicon(root, "train", release="2017")) == 6


def test_a_whole_tree_unpacked_by_hand_needs_no_server(root, whole):
    for name, data in whole.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    source = small()
    done = fetch_archives(source, root, source.archives, mirror="http://127.0.0.1:9/")
    assert [(d.found, d.file) for d in done] == [(11, None), (9, None), (9, None)]
    assert not (root / ".explainsal").exists()


def test_files_of_another_release_are_never_overwritten(server, root):
    path = root / "fixations" / "train" / "COCO_train2014_000000000007.mat"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"of 2015")
    with pytest.raises(
        UserError, match=r"000007.mat differs from the file of that name in the archive .*another release"
    ):
        fetch(server, root)
    assert path.read_bytes() == b"of 2015"
    assert not (root / "fixations" / "val").exists()


def test_binary_maps_of_other_code_beside_the_fixations_are_not_taken_for_maps(server, root, whole):
    other = root / "fixations" / "train" / "COCO_train2014_000000000007.png"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"UNISAL's")
    fetch(server, root)
    assert content(root) == whole | {"fixations/train/COCO_train2014_000000000007.png": b"UNISAL's"}


MANUAL = (
    r"(?s)no address that a program can fetch. From http://salicon.*maps of the 2015 release "
    r".*save it as .*maps-2015.zip.*Licence: annotations CC BY"
)


def test_what_must_be_fetched_by_hand_is_asked_for_before_anything_else(server, root):
    source = SALICON["2015"]
    with pytest.raises(MissingFilesError, match=MANUAL):
        fetch_archives(source, root, source.archives, retry=QUICK)


def test_a_process_waits_for_another(server, root, caplog, whole):
    (root / ".explainsal").mkdir(parents=True)
    held = threading.Event()

    def hold():
        with FileLock(root / ".explainsal" / "prepare.lock"):
            held.set()
            time.sleep(0.3)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    fetch(server, root)
    thread.join()
    assert "another process prepares" in caplog.text
    assert content(root) == whole


@pytest.mark.parametrize("place", ["file", "file/salicon", "file/deeper/salicon"])
def test_a_file_in_place_of_the_folder_is_one_line_that_names_both(server, tmp_path, place):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=rf"needs the folder {tmp_path / place}, but .*choose another folder") as error:
        fetch(server, tmp_path / place)
    assert f"({tmp_path}/file" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("source", "names"), [
    (OSIE, ["predicting-human-gaze-beyond-pixels-master/data/stimuli/1001.jpg", "data/eye/fixations.mat"]),
    (MIT1003, ["ALLSTIMULI/i1.jpeg", "DATA/CNG/i1.mat", "ALLFIXATIONMAPS/i1_fixMap.jpg", "DATA/DATA/CNG/i1.mat"]),
    (MIT300, ["BenchmarkIMAGES/i1.jpg"]),
    (CAT2000, ["trainSet/Stimuli/Action/001.jpg", "trainSet/allFixData.mat", "testSet/Stimuli/Action/001.jpg"]),
    (TORONTO, ["eyetrackingdata/fixdens/Original Image Set/1.jpg", "eyetrackingdata/fixdens/origfixdata.mat"]),
    (PASCAL_S, ["datasets/imgs/pascal/1.jpg", "datasets/fixations/pascalFix.mat"]),
], ids=lambda value: getattr(value, "title", ""))  # fmt: skip
def test_the_published_layouts_belong_to_one_archive_each(source, names):
    for name in names:
        assert sum(Pattern(a.pattern).split(name) is not None for a in source.archives) == 1, name


@pytest.mark.parametrize(("source", "names"), [
    (OSIE, ["data/stimuli/1501.jpg", "data/mouse_lab/1001.mat"]),
    (MIT1003, ["ALLFIXATIONMAPS/i05june05_static_street_boston_p1010764fixPts.jpg", "DATA/shuff_stimnames.mat",
               "DATA/CNG/CalibrationData.mat"]),
    (MIT300, ["BenchmarkIMAGES/SM/i1.jpg"]),
    (CAT2000, ["trainSet/Stimuli/Action/Output/001_SaliencyMap.jpg", "trainSet/FIXATIONMAPS/Action/001.jpg"]),
    (PASCAL_S, ["datasets/masks/pascal/1.png", "datasets/masks/imgs/pascal/1.jpg"]),
], ids=lambda value: getattr(value, "title", ""))  # fmt: skip
def test_what_lies_beside_in_the_archives_is_left_there(source, names):
    for name in names:
        assert not any(Pattern(a.pattern).split(name) for a in source.archives), name


def test_every_archive_is_described_completely():
    for source in (*SALICON.values(), OSIE, MIT1003, MIT300, CAT2000, TORONTO, PASCAL_S):
        assert source.overrides.startswith("data=")
        for archive in source.archives:
            assert archive.file.endswith(".zip")
            assert archive.files > 0
            assert archive.pattern
