"""SALICON's 2015 release as one JSON or .mat file per split: the same points as in a .mat file per image."""

import json
import shutil

import numpy as np
import pytest
import scipy.io
from hydra import compose, initialize_config_dir
from scipy.ndimage import gaussian_filter
from tests.data.lookalike_archives import salicon_archives
from tests.data.lookalikes.salicon import coco_names, write_json, write_lsun
from tests.fetch.server import Faulty

from explainsal.app.cli import conf_dir
from explainsal.data import salicon_2015
from explainsal.data.reading import Reading
from explainsal.data.salicon import read_salicon
from explainsal.data.salicon_2015 import json_entries, read_json, read_lsun
from explainsal.errors import CorruptFileError, MissingFilesError
from explainsal.prepare import prepare

JSON, LSUN = "fixations_train2014.json", "training.mat"


def read(root, ground_truth="mouse", sigma=19.0, release="2015", **options):
    return read_salicon(
        root, "train", release=release, ground_truth=ground_truth, density_sigma=sigma, reading=Reading(**options)
    )


def samples_of(names):
    """(x, y) from 1 of three observers per image, one of whom did not move the mouse."""
    rng = np.random.default_rng(1)
    return {name: [rng.integers(1, [65, 49], (k, 2)).tolist() for k in (9, 0, 4)] for name in names}


@pytest.fixture
def published(salicon):
    """Images in one flat folder, and neither maps nor a .mat file per image."""
    root, fixations = salicon
    for kind in ("maps", "fixations"):
        shutil.rmtree(root / kind)
    for path in (root / "images" / "train").iterdir():
        path.rename(root / "images" / path.name)
    return root, fixations["train"], samples_of(fixations["train"])


def expected(points, names):
    return [np.array([p for observer in points[name] for p in observer], float) - 0.5 for name in names]


@pytest.mark.parametrize("folder", ["", "annotations"])
def test_json_holds_mouse_samples_row_first(published, folder):
    root, _, samples = published
    write_json(root / folder / JSON, samples)
    for _ in range(2):  # parsed, then from the cache
        dataset = read(root)
        assert dataset.ids == tuple(sorted(samples))
        for index, points in enumerate(expected(samples, dataset.ids)):
            np.testing.assert_array_equal(dataset[index].fixations, points)
    assert (dataset.release, dataset.density_sigma) == ("2015 mouse", 19.0)
    assert [set(o.tolist()) for o in dataset.observers()] == [{0, 2}] * 6


def test_densities_are_those_of_the_points(published):
    root, _, samples = published
    write_json(root / JSON, samples)
    sample = read(root, sigma=3.0)[1]
    counts = np.zeros((48, 64))
    np.add.at(counts, tuple(np.floor(sample.fixations[:, ::-1]).astype(int).T), 1)
    np.testing.assert_allclose(sample.density, gaussian_filter(counts, 3.0), atol=1e-6)


@pytest.mark.parametrize(("ground_truth", "release"), [("fixations", "2015"), ("mouse", "2015 mouse")])
def test_lsun_s_file_holds_both(published, ground_truth, release):
    root, fixations, samples = published
    write_lsun(root / LSUN, fixations, samples)
    write_json(root / JSON, samples)
    dataset = read(root, ground_truth)
    assert dataset.release == release
    points = fixations if ground_truth == "fixations" else samples
    for index, one in enumerate(expected(points, dataset.ids)):
        np.testing.assert_array_equal(dataset[index].fixations, one)


def test_what_else_is_asked_of_the_json_is_refused_in_words(published):
    root, _, samples = published
    write_json(root / JSON, samples)
    with pytest.raises(
        MissingFilesError, match=r"fixations \(.mat\) \(but mouse samples exist: data.release=2015 data.ground"
    ):
        read(root, "fixations")
    with pytest.raises(MissingFilesError, match="ground_truth=mouse reads"):
        read(root, "fixations", release="2017")
    with pytest.raises(MissingFilesError, match=r"(?s)fixation maps.*data\.density_sigma=19"):
        read(root, sigma=None)
    other = next(iter(samples))
    write_json(root / JSON, {name: points for name, points in samples.items() if name != other})
    with pytest.raises(MissingFilesError, match=rf"{JSON} has no entry for the image {other}.*unreadable=skip"):
        read(root)
    with pytest.warns(UserWarning, match=rf"1 of 6 images are unreadable and skipped: {other}"):
        assert len(read(root, unreadable="skip")) == 5


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 20])
def test_a_file_is_read_in_pieces_of_any_length(tmp_path, monkeypatch, block):
    monkeypatch.setattr(salicon_2015, "BLOCK", block)
    content = {"a": [], "b": [{"x": [1, 20, 333]}, {}, "]", 4.25, None], "ü": 1234567, "c": {"d": [5]}, "e": [[1], [2]]}
    (tmp_path / "a.json").write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")
    wanted = [(k, v) for k, value in content.items() for v in (value if isinstance(value, list) else [value])]
    assert list(json_entries(tmp_path / "a.json")) == wanted


def test_damaged_files_are_named(tmp_path, monkeypatch):
    write_json(tmp_path / JSON, samples_of(coco_names("train", 3)))
    whole = (tmp_path / JSON).read_text()
    faults = [whole[:length] for length in (0, 1, 400, len(whole) - 30, len(whole) - 1)]
    faults += ["[1]", "<html>quota</html>", "{}", whole.replace('"image_id"', '"image"'), whole.replace("[[", "[[[", 1)]
    for content in faults:
        (tmp_path / JSON).write_text(content)
        with pytest.raises(CorruptFileError, match=rf"cannot read .*{JSON}.*Download it again"):
            read_json(tmp_path / JSON)
    monkeypatch.setattr(salicon_2015, "_LONGEST", 50)  # no endless search for the end of an entry
    (tmp_path / JSON).write_text('{"images": [{"id": 1, ' + " " * (4 << 20) + "}")
    with pytest.raises(CorruptFileError, match=JSON):
        read_json(tmp_path / JSON)
    scipy.io.savemat(tmp_path / LSUN, {"a": 1, "b": 2})
    with pytest.raises(CorruptFileError, match=rf"{LSUN}.*it holds 2 variables"):
        read_lsun(tmp_path / LSUN, "fixations")
    (tmp_path / LSUN).write_bytes((tmp_path / LSUN).read_bytes()[:150])
    with pytest.raises(CorruptFileError, match=LSUN):
        read_lsun(tmp_path / LSUN, "fixations")


def test_prepare_fetches_the_images_alone(tmp_path, capsys):
    archives = salicon_archives(tmp_path / "published")
    root = tmp_path / "salicon"
    for split, count in (("train", 6), ("val", 3)):
        write_json(root / f"fixations_{split}2014.json", samples_of(coco_names(split, count)))
    with Faulty() as server:
        server.files = dict(archives)
        options = ["data=salicon", f"data.root={root}", f"mirror={server.address('')}", "verify=false"]
        options += ["data.release=2015", "data.ground_truth=mouse", "data.density_sigma=19"]
        with initialize_config_dir(conf_dir(), version_base="1.3"):
            checks = prepare(compose("prepare", overrides=options))
        assert [path for path, _ in server.requests] == ["image.zip"]
    assert [(c.split, c.images, c.fixations, c.published_fixations) for c in checks] == [
        ("train", 6, 6 * 13, 68_992_355), ("val", 3, 3 * 13, 38_846_998), ("test", 2, None, None)
    ]  # fmt: skip
