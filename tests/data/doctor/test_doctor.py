"""The doctor finds every planted fault, and nothing where nothing is wrong."""

import json
import os
import re
import shutil
from copy import deepcopy
from functools import cache

import cv2
import numpy as np
import pandas as pd
import pytest
from hydra import compose, initialize_config_dir
from PIL import Image
from tests.data.lookalikes.salicon import coco_names, write_salicon

from explainsal.app.build import build_datamodule
from explainsal.app.cli import conf_dir
from explainsal.errors import MissingFilesError
from explainsal.workflows.preparation import diagnose

HEIGHT, WIDTH = 60, 90
TRAIN, VAL = [f"t{i}" for i in range(8)], [f"v{i}" for i in range(4)]


class Data:
    """A sound data set of 12 images, to be spoilt by a test and then written."""

    def __init__(self, rng):
        self.images = {name: rng.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8) for name in TRAIN + VAL}
        self.points = {name: self._points(rng) for name in self.images}
        self.maps = {name: self._density(points) for name, points in self.points.items()}
        self.splits = {"train": TRAIN, "val": VAL}
        self.exif = None

    @staticmethod
    def _points(rng):
        centre = rng.uniform([0.3 * WIDTH, 0.3 * HEIGHT], [0.7 * WIDTH, 0.7 * HEIGHT])
        drawn = centre + rng.normal(0, [12, 7], (40, 2))
        return np.round(np.clip(drawn, 2.25, [WIDTH - 2.25, HEIGHT - 2.25]), 3)

    @staticmethod
    def _density(points):
        density = np.zeros((HEIGHT, WIDTH), np.float32)
        np.add.at(density, (points[:, 1].astype(int), points[:, 0].astype(int)), 1)
        density = cv2.GaussianBlur(density, (0, 0), 4)
        return (density / density.max() * 255).astype(np.uint8)

    def write(self, root):
        for kind in ("images", "maps"):
            (root / kind).mkdir(parents=True)
        for name, image in self.images.items():
            cv2.imwrite(str(root / "images" / f"{name}.png"), image)
        for name, density in self.maps.items():
            cv2.imwrite(str(root / "maps" / f"{name}.png"), density)
        rows = [(name, x, y, k % 3) for name, points in self.points.items() for k, (x, y) in enumerate(points)]
        rows.sort(key=lambda row: (row[0], row[3]))
        pd.DataFrame(rows, columns=["image", "x", "y", "subject"]).to_csv(root / "fixations.csv", index=False)
        (root / "splits.json").write_text(json.dumps(self.splits))
        return root


@cache
def config(data):
    with initialize_config_dir(conf_dir(), version_base="1.3"):
        return compose("prepare", overrides=[f"data={data}", "mode=doctor"])


def doctor(root, outputs, data="folder"):
    cfg = deepcopy(config(data))
    cfg.data.root, cfg.paths.outputs = str(root), str(outputs)
    return diagnose(build_datamodule(cfg), outputs)


def change_points(change):
    def spoil(data, root):
        data.points = {name: change(points, name) for name, points in data.points.items()}

    return spoil


def one(change, name="t3"):
    return change_points(lambda points, own: change(points) if own == name else points)


def one_based(points, name):
    whole = np.floor(points) + 1
    return np.concatenate([whole, [[WIDTH, HEIGHT], [1, 1]]])


def outside(points):
    return np.concatenate([points[:-2], [[-5.5, 3.25], [WIDTH + 7.5, 3.25]]])


def not_a_number(points):
    return np.concatenate([points[:-1], [[np.nan, points[-1, 1]]]])


def swap_partner(data, root):
    data.maps["t1"], data.maps["t2"] = np.roll(data.maps["t1"], 40, axis=1), np.roll(data.maps["t2"], 40, axis=1)


def mismatch_all(data, root):
    data.maps = {name: np.roll(density, (30, 45), axis=(0, 1)) for name, density in data.maps.items()}


def shrink(data, root):
    data.maps["t1"] = data.maps["t1"][::2, ::2]


def upside_down(data, root):
    """Pictures with something to see at the fixations, and fixations whose y counts from the bottom."""
    for name, points in data.points.items():
        points[:, 1] = np.clip(points[:, 1] * 0.4 + 4, 2.25, HEIGHT - 2.25)
        image, noise = np.full((HEIGHT, WIDTH, 3), 90, np.uint8), data.images[name]
        column, row = points.mean(axis=0).astype(int)
        place = (slice(max(0, row - 9), row + 9), slice(max(0, column - 9), column + 9))
        image[place] = noise[place]
        data.images[name] = image
        data.points[name] = np.column_stack([points[:, 0], HEIGHT - points[:, 1]])
    data.maps = {name: data._density(points) for name, points in data.points.items()}


FAULTS = {
    "missing partner": lambda data, root: data.maps.pop("t1"),
    "orphan": lambda data, root: data.maps.update(t99=data.maps["t1"]),
    "duplicate image": lambda data, root: data.images.update(t1=data.images["t2"]),
    "leakage": lambda data, root: data.images.update(t1=data.images["v2"]),
    "blank image": lambda data, root: data.images.update(t1=np.full((HEIGHT, WIDTH, 3), 126, np.uint8)),
    "out of image": one(outside),
    "not a number": one(not_a_number),
    "swapped axes": change_points(lambda points, _: points[:, ::-1] * 1.2 + 4.001),
    "wrong units": change_points(lambda points, _: np.round(points / [WIDTH, HEIGHT], 5)),
    "wrong units: degrees": change_points(lambda points, _: np.round(points / 20, 5)),
    "wrong units: a screen": change_points(lambda points, _: points * 5.3 + 101.001),
    "one-based": change_points(one_based),
    "clipped": change_points(lambda points, _: np.clip((points - 30) * 3 + 30, 0.125, [WIDTH - 0.5, HEIGHT - 0.5])),
    "repeated points": one(lambda points: np.repeat(points[:7], 6, axis=0)),  # twice for each observer
    "doubled rows": change_points(lambda points, _: np.concatenate([points[:18], points[:18]])),
    "mirrored": upside_down,
    "same fixations": lambda data, root: data.points.update(t1=data.points["t2"]),
    "empty image": lambda data, root: data.points.update(t3=np.zeros((0, 2))),
    "odd count": one(lambda points: points[:4]),
    "off centre": change_points(lambda points, _: points * 0.25 + 1.001),
    "constant density": lambda data, root: data.maps["t1"].fill(0),
    "density size": shrink,
    "density mismatch": swap_partner,
    "density mismatch: of all": mismatch_all,
}  # fmt: skip


@pytest.fixture
def data():
    return Data(np.random.default_rng(3))


def test_a_sound_data_set_has_a_clean_bill(data, tmp_path, capsys):
    diagnosis = doctor(data.write(tmp_path / "data"), tmp_path)
    assert diagnosis.findings == ()
    assert [(s.split, s.images, s.counts.sum()) for s in diagnosis.splits] == [("train", 8, 320), ("val", 4, 160)]
    assert "nothing is wrong" in capsys.readouterr().out
    assert (tmp_path / "doctor" / "folder" / "doctor.png").stat().st_size > 10_000
    assert "The checks found no problems" in (tmp_path / "doctor" / "folder" / "doctor.html").read_text()


@pytest.mark.parametrize("fault", FAULTS)
def test_each_planted_fault_is_found(data, tmp_path, fault, monkeypatch):
    monkeypatch.setattr("explainsal.workflows.preparation.write_doctor", lambda *_: None)  # one page is drawn, above
    FAULTS[fault](data, tmp_path)
    diagnosis = doctor(data.write(tmp_path / "data"), tmp_path)
    kinds = {finding.kind for finding in diagnosis.findings}
    assert fault.partition(":")[0] in kinds, [str(f) for f in diagnosis.findings]
    assert len(kinds) <= 3, kinds  # a fault is named, not drowned in its consequences


@pytest.mark.parametrize("file", ["images/t3.png", "maps/t3.png"])
def test_a_cut_file_is_named_and_does_not_stop_the_doctor(data, tmp_path, file):
    root = data.write(tmp_path / "data")
    (root / file).write_bytes((root / file).read_bytes()[:-900])
    diagnosis = doctor(root, tmp_path)
    found = {f.kind: f.items for f in diagnosis.findings}
    assert file in found["unreadable"], diagnosis.findings
    assert sum(s.images for s in diagnosis.splits) == 11


def test_a_rotation_tag_is_named(data, tmp_path):
    root = data.write(tmp_path / "data")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(data.images["t3"]).save(root / "images" / "t3.png", exif=exif)
    assert [(f.kind, f.items) for f in doctor(root, tmp_path).findings] == [("rotated", ("t3",))]


def test_fixations_of_turned_pictures_are_no_swapped_axes(data, tmp_path):
    data.points = {name: points[:, ::-1] * [0.9, 1.4] + 0.003 for name, points in data.points.items()}
    data.maps = {}
    root = data.write(tmp_path / "data")
    shutil.rmtree(root / "maps")
    exif = Image.Exif()
    exif[0x0112] = 6
    for name, image in data.images.items():
        Image.fromarray(image).save(root / "images" / f"{name}.png", exif=exif)
    found = {(f.kind, f.split, len(f.items)) for f in doctor(root, tmp_path).findings}
    assert found == {("rotated", "train", 8), ("rotated", "val", 4)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace(",", ";"),
            r"\.csv, line 1: 'image;x;y;subject' is separated by semicolons",
        ),
        (lambda text: text.replace("\n", "\nt1,.,3,0\n", 1), r"line 2: '\.' is not a number \(x\)"),
        (
            lambda text: text + "elsewhere,1,2,0\n",
            r"1 fixations belong to no image, .* line 482 \('elsewhere'\)",
        ),
    ],
    ids=["semicolons", "missing value", "unknown picture"],
)
def test_one_fault_of_the_table_is_one_finding(data, tmp_path, change, message):
    root = data.write(tmp_path / "data")
    table = root / "fixations.csv"
    table.write_text(change(table.read_text()))
    diagnosis = doctor(root, tmp_path)
    assert [f.kind for f in diagnosis.findings] == ["refused"], [str(f) for f in diagnosis.findings]
    assert re.search(message, str(diagnosis.findings[0]))


def test_pictures_of_other_kinds_are_named(data, tmp_path):
    root = data.write(tmp_path / "data")
    Image.fromarray(data.images["t1"]).save(root / "images" / "more.gif")
    with pytest.warns(UserWarning, match=r"1 pictures have an unsupported format.*more\.gif"):
        found = doctor(root, tmp_path).findings
    assert [(f.kind, f.items) for f in found] == [("other format", ("images/more.gif",))]


def test_a_damaged_mat_file_and_a_missing_map_of_salicon(tmp_path):
    root = tmp_path / "salicon"
    for split in ("train", "val"):
        write_salicon(root, split, coco_names(split, 6))
    mat, density = (root / k / "train" / f"{coco_names('train', 2)[i]}{s}" for i, (k, s) in
                    enumerate((("fixations", ".mat"), ("maps", ".png"))))  # fmt: skip
    mat.write_bytes(mat.read_bytes()[:200])
    density.unlink()
    found = {(f.kind, f.items) for f in doctor(root, tmp_path, "salicon").findings}
    assert ("unreadable", (mat.relative_to(root).as_posix(),)) in found
    assert ("missing partner", (density.stem,)) in found


def test_a_name_that_is_not_in_utf_8_is_named_all_the_same(data, tmp_path, caplog):
    root, name = data.write(tmp_path / "data"), os.fsdecode(b"caf\xe9")
    shutil.copy(root / "images" / "t3.png", root / "images" / f"{name}.png")
    assert any(name in finding.items for finding in doctor(root, tmp_path).findings)
    assert r"caf\udce9" in (tmp_path / "doctor" / "folder" / "doctor.html").read_text()
    assert r"caf\udce9" in caplog.text  # and not a character that a file in UTF-8 cannot hold


def test_a_data_set_that_is_not_there(tmp_path):
    with pytest.raises(MissingFilesError):
        doctor(tmp_path / "none", tmp_path, "salicon")


@pytest.mark.slow
def test_osie_and_generated_scenes_have_a_clean_bill(shared, tmp_path, monkeypatch):
    monkeypatch.setattr("explainsal.workflows.preparation.write_doctor", lambda *_: None)
    osie = deepcopy(config("osie"))
    osie.data.root, osie.paths.outputs = str(shared / "data" / "osie"), str(tmp_path)
    assert diagnose(build_datamodule(osie), tmp_path).findings == ()
    scenes = deepcopy(config("synthetic"))
    scenes.data.root, scenes.paths.outputs = str(tmp_path / "synthetic"), str(tmp_path)
    scenes.data.sizes = {"train": 40, "val": 20, "test": 20}
    assert diagnose(build_datamodule(scenes), tmp_path).findings == ()
