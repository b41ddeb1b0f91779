"""The prepare command: fetches or generates, counts beside the published numbers, and names damaged files."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from tests.data.lookalike_archives import salicon_archives, tree, zipped
from tests.data.lookalikes.cat2000 import write_cat2000
from tests.data.lookalikes.mit300 import write_mit300
from tests.data.lookalikes.mit1003 import write_mit1003
from tests.data.lookalikes.pascal_s import write_pascal_s
from tests.data.lookalikes.salicon import coco_names, write_salicon
from tests.data.lookalikes.toronto import write_toronto
from tests.fetch.server import Faulty

from explainsal.app.cli import conf_dir
from explainsal.errors import CorruptFileError, MissingFilesError, UserError
from explainsal.fetch.checksum import Checksum
from explainsal.models.published import PUBLISHED, card_path, published_weights, trained_on, training_data_warning
from explainsal.prepare import prepare
from explainsal.workflows.published_weights import prepare_weights


def config(*overrides: str):
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("prepare", overrides=[*overrides])


@pytest.fixture
def synthetic(tmp_path):
    sizes = [f"data.sizes.{split}={count}" for split, count in {"train": 3, "val": 2, "test": 2}.items()]
    return config("data=synthetic", f"data.root={tmp_path}/synthetic", "data.image_size=[24,32]", *sizes)


def test_synthetic_scenes_are_generated_and_counted(synthetic, capsys):
    checks = prepare(synthetic)
    assert [(c.split, c.images, c.sizes, c.damaged) for c in checks[:3]] == [
        ("train", 3, ((24, 32),), ()), ("val", 2, ((24, 32),), ()), ("test", 2, ((24, 32),), ())
    ]  # fmt: skip
    assert all(c.fixations >= 90 for c in checks)
    assert "24 x 32" in capsys.readouterr().out


def test_every_split_is_exported_for_pysaliency(synthetic, tmp_path, capsys):
    synthetic.mode = "pysaliency"
    with pytest.raises(UserError, match="to=FOLDER"):
        prepare(synthetic)
    synthetic.to = str(tmp_path / "export")
    assert [c.images for c in prepare(synthetic)][:3] == [3, 2, 2]
    written = {path.relative_to(tmp_path / "export").as_posix() for path in (tmp_path / "export").rglob("*.hdf5")}
    assert written >= {
        f"{split}/{name}.hdf5" for split in ("train", "val", "test") for name in ("stimuli", "fixations")
    }
    assert capsys.readouterr().out.count("for pysaliency:") == len({Path(name).parent for name in written})


def test_osie_has_the_published_counts(shared, tmp_path):
    checks = prepare(config("data=osie", f"data.root={shared}/data/osie"))
    published = [c for c in checks if c.split != "all"]
    assert [c.fixations for c in published] == [c.published_fixations for c in published] == [48_793, 6_943, 14_140]
    assert not any(c.remarks for c in checks)


def test_a_part_of_salicon_is_told_from_the_whole(tmp_path, capsys):
    root = tmp_path / "salicon"
    write_salicon(root, "train", coco_names("train", 4))
    write_salicon(root, "val", coco_names("val", 2))
    checks = prepare(config("data=salicon", f"data.root={root}", "download=false"))
    assert [c.split for c in checks] == ["train", "val"]  # the test split is for submissions only
    assert checks[0].remarks[0] == "4 images, published 10,000"
    assert checks[0].remarks[1] == "20 fixations, published 4,598,112"
    assert "not comparable" in capsys.readouterr().out


def test_a_missing_data_set(tmp_path):
    with pytest.raises(MissingFilesError, match=r"1g8j-hTT-51IG1UFwP0xTGhLdgIUCW5e5"):
        prepare(config("data=salicon", f"data.root={tmp_path}/none", "download=false"))


def test_damaged_files_are_named_on_request(synthetic, tmp_path):
    prepare(synthetic)
    root = tmp_path / "synthetic"
    picture = root / "images" / "val" / "synthetic_val_000001.jpg"
    whole = picture.read_bytes()
    picture.write_bytes(whole[: len(whole) * 3 // 4])  # the header is intact
    synthetic.decode = True
    with pytest.raises(CorruptFileError, match=r"1 damaged files:\n.*synthetic_val_000001\.jpg"):
        prepare(synthetic)


@pytest.fixture
def server():
    with Faulty() as server:
        yield server


def test_a_data_set_is_fetched_checked_and_compared_with_the_published_counts(server, tmp_path, capsys):
    server.files = salicon_archives(tmp_path / "published")
    root = tmp_path / "salicon"
    wanted = ("data=salicon", f"data.root={root}", f"mirror={server.address('')}", "verify=false")
    checks = prepare(config(*wanted))
    assert [(c.split, c.images, c.published_images) for c in checks] == [
        ("train", 6, 10_000), ("val", 3, 5_000), ("test", 2, 5_000)
    ]  # fmt: skip
    shown = capsys.readouterr().out
    assert "image.zip, all splits: 11 of 11 files unpacked" in shown
    assert "image.zip, all splits: 11 files, published 20,000" in shown
    assert "maps-2017.zip" in shown.split("no longer needed")[1]
    requests = len(server.requests)
    prepare(config(*wanted))
    assert len(server.requests) == requests


def test_maps_of_mit1003_are_fetched_for_those_who_want_them(server, tmp_path):
    for kind, files in (("fixations", ["ALLSTIMULI.zip"]), ("maps", ["ALLSTIMULI.zip"])):
        server.requests.clear()
        with pytest.raises(UserError):
            prepare(config("data=mit1003", f"data.root={tmp_path}/{kind}", f"mirror={server.address('')}",
                           f"data.ground_truth={kind}"))  # fmt: skip
        assert [path for path, _ in server.requests] == files


def test_weights_come_with_a_card(server, tmp_path, capsys):
    server.files = {"weights_best.pth": b"weights"}
    path = prepare_weights("unisal", None, tmp_path / "weights", mirror=server.address(""), verify=False)
    assert path == tmp_path / "weights" / "unisal" / "weights_best.pth"
    card = json.loads(card_path(path).read_text())
    assert card["licence"] == "Apache-2.0"
    assert card["published_checksum"] == "differs"
    assert card["sha256"] == hashlib.sha256(b"weights").hexdigest()
    assert set(card["trained_on"]) == {"salicon", "dhf1k", "hollywood2", "ucfsports"}
    shown = capsys.readouterr().out
    assert "Apache-2.0" in shown
    assert "ucfsports: trained on its train split" in shown
    assert "model=unisal weights=published:all" in shown


def test_weights_in_the_users_cache_are_not_fetched_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    cached = tmp_path / "cache" / "explainsal" / "weights" / "unisal" / "weights_best.pth"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"weights")
    assert prepare_weights("unisal", None, tmp_path / "weights", verify=False, fetch=False) == cached
    assert "model=unisal weights=published:all" in capsys.readouterr().out


@pytest.mark.parametrize("arrival", ["downloaded", "by hand"])
def test_other_weights_than_the_published_ones_are_refused(server, tmp_path, arrival):
    server.files = {"weights_best.pth": b"weights"}
    if arrival == "by hand":
        (tmp_path / "unisal").mkdir(parents=True)
        (tmp_path / "unisal" / "weights_best.pth").write_bytes(b"weights")
    with pytest.raises(CorruptFileError, match=r"not the published file: its checksum is not SHA256 4a9157.* f06b52c5"):
        prepare_weights("unisal", "published", tmp_path, mirror=server.address(""))


@pytest.mark.parametrize("word", ["published:mit1003", "mit1003"])
def test_the_right_checksum_is_named_on_the_card(server, tmp_path, monkeypatch, word):
    content = b"weights"
    blob = Checksum("git", hashlib.sha1(b"blob 7\0" + content).hexdigest())
    server.files = {"weights_ft_mit1003.pth": content}
    weights = replace(published_weights("unisal", "mit1003"), checksums=(blob,))
    monkeypatch.setattr("explainsal.workflows.published_weights.published_weights", lambda *_: weights)
    path = prepare_weights("unisal", word, tmp_path, mirror=server.address(""))
    assert json.loads(card_path(path).read_text())["published_checksum"] == str(blob)


def test_weights_in_a_zip_are_unpacked(server, tmp_path):
    server.files = {"msinet_cat2000_cpu.zip": zipped({"model_cat2000_cpu.pb": b"graph", "readme.txt": b""})}
    (tmp_path / "msinet").mkdir()
    (tmp_path / "msinet" / "model_salicon_cpu.pb").write_bytes(b"other")
    path = prepare_weights("msinet", "published:cat2000", tmp_path, mirror=server.address(""))
    assert path.name == "model_cat2000_cpu.pb"
    assert path.read_bytes() == b"graph"
    assert trained_on(path).keys() == {"salicon", "cat2000"}


@pytest.mark.parametrize(("model", "weights", "message"), [
    ("cmrnet", None, "no weights of 'cmrnet' were published: choose model=NAME of unisal, msinet"),
    ("unisal", "hub", "unisal has no published weights 'hub': choose published:NAME of all, mit1003, encoder"),
])  # fmt: skip
def test_weights_that_no_one_published(model, weights, message):
    with pytest.raises(UserError, match=message):
        published_weights(model, weights)


def test_known_weights_warn_of_data_that_they_have_seen(tmp_path):
    assert "fine-tuned on 903 of its images" in training_data_warning(tmp_path / "weights_ft_mit1003.pth", "mit1003")
    assert "weights_best.pth have seen salicon: trained on" in training_data_warning("weights_best.pth", "salicon")
    assert training_data_warning("weights_best.pth", "mit1003") is None
    assert training_data_warning("best.ckpt", "salicon") is None
    assert training_data_warning(None, "salicon") is None
    card_path(tmp_path / "renamed.pth").write_text('{"trained_on": {"osie": "all of it"}}')
    assert "have seen osie: all of it" in training_data_warning(tmp_path / "renamed.pth", "osie")
    card_path(tmp_path / "weights_best.pth").write_text("broken")
    assert training_data_warning(tmp_path / "weights_best.pth", "salicon")


def test_every_published_file_has_a_name_of_its_own_and_a_licence():
    for names in ({(w.model, w.variant) for w in PUBLISHED}, {(w.model, w.file) for w in PUBLISHED}):
        assert len(names) == len(PUBLISHED)
    assert all(w.licence and w.trained_on for w in PUBLISHED)
    assert all(w.wheel or w.address.startswith("https://") for w in PUBLISHED)
    assert all(w.checksums and "==" in w.wheel.requirement for w in PUBLISHED if w.wheel)


PUBLISHED_SETS = {
    "mit1003": (write_mit1003, ("ALLSTIMULI", "DATA", "ALLFIXATIONMAPS"), "all"),
    "mit300": (write_mit300, ("BenchmarkIMAGES",), "test"),
    "cat2000": (write_cat2000, ("trainSet", "testSet"), "all"),
    "toronto": (write_toronto, ("eyetrackingdata",), "all"),
    "pascal_s": (write_pascal_s, ("datasets",), "all"),
}
ARCHIVE_OF = {"eyetrackingdata": "eyetrackingdata.zip", "datasets": "salObj.zip"}


@pytest.mark.parametrize("name", PUBLISHED_SETS)
def test_every_published_data_set_arrives_as_its_reader_wants_it(server, tmp_path, name):
    write, tops, split = PUBLISHED_SETS[name]
    write(tmp_path / "published")
    files = tree(tmp_path / "published")
    for top in tops:
        members = {k: v for k, v in files.items() if k.startswith(f"{top}/")}
        server.files[ARCHIVE_OF.get(top, f"{top}.zip")] = zipped(members)
    root = tmp_path / name
    checks = prepare(config(f"data={name}", f"data.root={root}", f"mirror={server.address('')}", "verify=false"))
    with_hydra = config(f"data={name}", f"data.root={tmp_path}/published", "download=false")
    by_hand = {check.split: check for check in prepare(with_hydra)}
    assert {check.split: check for check in checks} == by_hand
    assert by_hand[split].images >= 3


@pytest.mark.parametrize(("name", "write"), [("mit1003", write_mit1003), ("cat2000", write_cat2000)])
def test_binary_maps_are_not_compared_with_the_published_number_of_fixations(tmp_path, name, write):
    write(tmp_path)
    kinds = {}
    for kind in ("maps", "gaze" if name == "mit1003" else "scanpaths"):
        options = (f"data={name}", f"data.root={tmp_path}", f"data.ground_truth={kind}", "download=false")
        kinds[kind] = prepare(config(*options))[0]
    published = [check.published_fixations for check in kinds.values()]
    assert published == [None, {"mit1003": 104_171, "cat2000": 667_804}[name]]
    assert [sum("fixations" in remark for remark in check.remarks) for check in kinds.values()] == [0, 1]
