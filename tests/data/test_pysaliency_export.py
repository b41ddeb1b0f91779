"""What we write for pysaliency comes back, in our reader and in pysaliency itself where it is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.data.lookalikes.pictures import write_picture

from explainsal.data.dataset import SaliencyDataset
from explainsal.data.fixation_table import FixationTable, Scanpath
from explainsal.data.folder import read_folder
from explainsal.data.ground_truth import whole_pixels_to_middles
from explainsal.data.pysaliency_export import export_dataset, write_file_stimuli, write_scanpaths, write_stimuli
from explainsal.data.pysaliency_hdf5 import read_picture, read_scanpaths, read_stimuli
from explainsal.data.reading import Reading
from explainsal.errors import UserError
from explainsal.reporting.submissions.form import Submission
from explainsal.reporting.submissions.writing import WrittenMaps

SIZE = (24, 32)
POINT = {
    "middles of pixels": st.tuples(st.integers(0, 31), st.integers(0, 23)).map(lambda p: (p[0] + 0.5, p[1] + 0.5)),
    "anywhere": st.tuples(st.floats(0, 31.75, width=32), st.floats(0, 23.75, width=32)),
}


@st.composite
def tables(draw):
    """Images without and with fixations; in an image every observer once; times and durations known or not."""
    point = POINT[draw(st.sampled_from(sorted(POINT)))]
    timed, images = draw(st.booleans()), []
    for _ in range(draw(st.integers(1, 4))):
        observers = draw(st.lists(st.integers(0, 40), unique=True, max_size=3))
        paths = [np.array(draw(st.lists(point, min_size=1, max_size=4))) for _ in observers]
        steps = [np.arange(len(path)) / 4 if timed else None for path in paths]
        images.append([Scanpath(p, o, t, t) for p, o, t in zip(paths, observers, steps, strict=True)])
    return FixationTable.from_observers([str(i) for i in range(len(images))], [SIZE] * len(images), images)


def back(path, count):
    paths = whole_pixels_to_middles(read_scanpaths(path))
    return FixationTable.from_observers([str(i) for i in range(count)], [SIZE] * count, [
        paths.get(i, []) for i in range(count)
    ])  # fmt: skip


def assert_same(one: FixationTable, other: FixationTable) -> None:
    whole = bool((one.xy == np.floor(one.xy)).all())  # the one case that only keeps the pixel
    np.testing.assert_array_equal(*((np.floor(t.xy) if whole else t.xy) for t in (one, other)))
    np.testing.assert_array_equal(one.offsets, other.offsets)
    np.testing.assert_array_equal(one.observer, other.observer)
    for name in ("t", "duration"):
        before, after = getattr(one, name), getattr(other, name)
        assert len(one.xy) == 0 or (before is None) == (after is None)
        if before is not None and after is not None:
            np.testing.assert_array_equal(before, after)


@settings(max_examples=60, deadline=None)
@given(table=tables())
def test_scanpaths_come_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("p") / "f.hdf5"
    write_scanpaths(path, table)
    assert_same(table, back(path, len(table)))
    assert [p.name for p in path.parent.iterdir()] == ["f.hdf5"]


def test_stimuli_of_both_forms(tmp_path):
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, shape, dtype=np.uint8) for shape in ((24, 32, 3), (24, 32))]
    write_stimuli(tmp_path / "s.hdf5", 2, pictures.__getitem__)
    assert read_stimuli(tmp_path / "s.hdf5").pictures == 2
    for index, picture in enumerate(pictures):
        np.testing.assert_array_equal(read_picture(tmp_path / "s.hdf5", index), picture)
    write_picture(tmp_path / "a" / "ü.png", SIZE)
    write_picture(tmp_path / "b" / "1.png", (20, 28), gray=True)
    names = [str(tmp_path / "a" / "ü.png"), str(tmp_path / "b" / "1.png")]
    (tmp_path / "out").mkdir()
    write_file_stimuli(tmp_path / "out" / "s.hdf5", names)
    with h5py.File(tmp_path / "out" / "s.hdf5") as file:
        assert [name.decode() for name in file["filenames"][()]] == ["../a/ü.png", "../b/1.png"]
        assert [shape.tolist() for shape in file["shapes"][()]] == [[24, 32, 3], [20, 28]]
    found = read_stimuli(tmp_path / "out" / "s.hdf5").files
    assert [Path(name).resolve() for name in found] == [Path(name) for name in names]


def dataset(folder: Path) -> SaliencyDataset:
    for seed, name in enumerate(("10", "9", "x")):
        write_picture(folder / "images" / f"{name}.png", SIZE, seed)
    folder.joinpath("fixations.csv").write_text(
        "image,x,y,subject,t,duration\n10,1.5,2,a,0.1,0.2\n10,30.25,20.5,a,0.5,0.3\n10,7,3,b,0.2,0.1\nx,5,0,b,0,0.2\n"
    )
    return read_folder(folder, reading=Reading(cache=folder / "cache"))


@pytest.mark.parametrize("pictures", [False, True])
def test_an_exported_data_set_is_a_data_set(tmp_path, pictures):
    before = dataset(tmp_path / "in")
    files = export_dataset(before, tmp_path / "out", pictures=pictures)
    assert [file.name for file in files] == ["stimuli.hdf5", "fixations.hdf5"]
    after = read_folder(tmp_path / "out")
    assert after.ids == (("0", "1", "2") if pictures else before.ids)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.fixations, other.fixations)
    np.testing.assert_array_equal(before.fixations.duration, after.fixations.duration)


def test_a_folder_that_may_not_be_written(tmp_path):
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises((UserError, FileExistsError)):
        export_dataset(dataset(tmp_path / "in"), tmp_path / "out")


def interpreter() -> str:
    """Of an environment with pysaliency; it needs an older NumPy than we do, so that it is rarely ours."""
    if importlib.util.find_spec("pysaliency"):
        return sys.executable
    found = os.environ.get("EXPLAINSAL_PYSALIENCY")
    if not found:
        pytest.skip("pysaliency is not installed; EXPLAINSAL_PYSALIENCY=PYTHON names an interpreter that has it")
    return found


def pysaliency_says(*arguments: object) -> dict:
    script = Path(__file__).parents[1] / "reference" / "pysaliency_reads.py"
    done = subprocess.run(
        [interpreter(), str(script), *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_real_pysaliency_reads_what_we_write(tmp_path):
    interpreter()
    before = dataset(tmp_path / "in")
    stimuli, fixations = export_dataset(before, tmp_path / "out")
    values = np.random.default_rng(0).random((3, *SIZE)) + 0.1
    logs = np.log(values / values.sum((1, 2), keepdims=True))
    for name, kind, arrays in (("d", "density", logs), ("m", "map", values)):
        shape = Submission("tuebingen", kind, "hdf5")
        file = WrittenMaps(tmp_path / f"{name}.hdf5", shape.names(before.ids, before.files), shape, {})
        file.begin([SIZE] * 3)
        for index, array in enumerate(arrays):
            file.write(index, array)
        file.finish()
    said = pysaliency_says(stimuli, fixations, tmp_path / "d.hdf5", tmp_path / "m.hdf5")
    assert said["stimuli"] == ["FileStimuli", 3, [[24, 32, 3]] * 3]
    assert said["sums"] == [int(sample.image.astype(int).sum()) for sample in before]
    kind, columns = said["fixations"]
    assert kind == "FixationTrains"
    assert list(zip(columns["x"], columns["y"], strict=True)) == [tuple(p) for p in before.fixations.xy.tolist()]
    assert (columns["n"], columns["subjects"]) == ([0, 0, 0, 2], [0, 0, 1, 1])
    np.testing.assert_allclose(columns["t"], before.fixations.t, rtol=1e-6)
    np.testing.assert_allclose(said["durations"], before.fixations.duration, rtol=1e-6)
    np.testing.assert_allclose(said["log_densities"], logs.sum((1, 2)), rtol=1e-6)
    np.testing.assert_allclose(said["maps"], values.sum((1, 2)), rtol=1e-6)
    gains = [
        np.log2(SIZE[0] * SIZE[1]) + logs[int(n)][int(y), int(x)] / np.log(2)
        for n, x, y in zip(columns["n"], columns["x"], columns["y"], strict=True)
    ]
    assert said["information_gain"] == pytest.approx(np.mean(gains), rel=1e-5)


@pytest.mark.slow
def test_we_read_what_the_real_pysaliency_writes(tmp_path):
    said = pysaliency_says("write", tmp_path)
    trains = read_scanpaths(tmp_path / "trains.hdf5")
    assert [(n, path.observer, path.points.tolist()) for n in trains for path in trains[n]] == [
        (0, 4, [[1.5, 2.0], [30.25, 19.5], [7.0, 3.0]]), (1, 2, [[10.0, 11.0]])
    ]  # fmt: skip
    np.testing.assert_allclose(trains[0][0].t, [0.1, 0.5, 0.9])
    points = read_scanpaths(tmp_path / "points.hdf5")
    assert sorted(points) == [0, 1]
    assert [len(path.points) for path in points[0]] == [3]
    assert [int(read_picture(tmp_path / "stimuli.hdf5", i).astype(int).sum()) for i in range(2)] == said["sums"]
