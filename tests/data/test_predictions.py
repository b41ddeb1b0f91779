"""Maps made elsewhere: every format gives the same map, and what would spoil numbers is said or refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io

from explainsal.data.predictions import Predictions
from explainsal.errors import CorruptFileError, MissingFilesError, UserError

IDS, SIZES = ["a", "b/c"], [(6, 8), (6, 8)]


def maps() -> list[np.ndarray]:
    return [np.arange(48.0).reshape(6, 8), np.arange(48.0)[::-1].reshape(6, 8).copy()]


def write(folder: Path, kind: str, arrays: list[np.ndarray]) -> Path:
    if kind == "h5":
        with h5py.File(folder / "maps.h5", "w") as file:
            for name, array in zip(("a.jpg", "b/c.jpg"), arrays, strict=True):
                file[name] = array
        return folder / "maps.h5"
    if kind.endswith((".zip", ".tar", ".tar.gz")):
        inner, _, container = kind.partition(".")
        write(folder / "model", inner, arrays)
        form = {"zip": "zip", "tar": "tar", "tar.gz": "gztar"}[container]
        return Path(shutil.make_archive(str(folder / "maps"), form, folder, "model"))
    (folder / "b").mkdir(exist_ok=True, parents=True)
    for name, array in zip(IDS, arrays, strict=True):
        path = folder / f"{name}.{kind}"
        if kind == "png":
            cv2.imwrite(str(path), array.astype(np.uint8))
        elif kind == "mat":
            scipy.io.savemat(path, {"map": array})
        else:
            (np.save if kind == "npy" else np.savez)(path, array)
    return folder


@pytest.mark.parametrize("kind", ["png", "npy", "npz", "mat", "h5", "png.zip", "npy.tar.gz", "mat.zip", "npy.tar"])
def test_every_format_gives_the_same_maps(tmp_path: Path, kind: str) -> None:
    predictions = Predictions(write(tmp_path, kind, maps()), IDS, SIZES)
    for index, expected in enumerate(maps()):
        np.testing.assert_array_equal(predictions.read(index), expected)
    assert predictions.check().notes[0] == "2 maps for 2 images"


def test_what_is_missing_extra_or_double(tmp_path: Path) -> None:
    with pytest.raises(MissingFilesError, match="no such folder"):
        Predictions(tmp_path / "nowhere", IDS, SIZES)
    write(tmp_path, "npy", maps())
    (tmp_path / "z.npy").write_bytes((tmp_path / "a.npy").read_bytes())
    assert Predictions(tmp_path, IDS, SIZES).extra == ["z.npy"]
    with pytest.raises(MissingFilesError, match=r"no map of 1 of 3 images, first d.*d\.png"):
        Predictions(tmp_path, [*IDS, "d"], [*SIZES, (6, 8)])
    cv2.imwrite(str(tmp_path / "a.png"), maps()[0])
    with pytest.raises(UserError, match="both belong to image a"):
        Predictions(tmp_path, IDS, SIZES)


def test_what_the_check_finds(tmp_path: Path) -> None:
    def notes(*arrays: np.ndarray) -> str:
        return "\n".join(Predictions(write(tmp_path, "npy", list(arrays)), IDS, SIZES).check().notes)

    first, second = maps()
    assert "1 maps are constant, first a" in notes(np.ones((6, 8)), second)
    assert "1 maps have fewer than 32 values" in notes(first // 8, second)
    assert "8 bits" in notes(first, second)
    assert "8 bits" not in notes(first + 0.5, second / 7)
    assert "resized bilinearly" in notes(np.random.default_rng(0).random((12, 16)), second)
    logs = [np.log((m + 1) / (m + 1).sum()) for m in (first, second)]
    assert "log-densities" in notes(*logs)
    for bad, message in (
        ([first, np.full((6, 8), np.nan)], "image b/c.* holds NaN"),
        ([first, second.T.copy()], "transposed"),
        ([first, np.random.default_rng(0).random((6, 16))], "aspect ratio differs"),
        ([logs[0], second], "1 of 2 maps are log-densities, but b/c is not"),
        ([first, np.zeros((2, 6, 8))], r"not a map \(H, W\)"),
    ):
        with pytest.raises(CorruptFileError, match=message):
            notes(*bad)


@pytest.mark.parametrize("kind", ["png.zip", "npy.tar.gz", "npy.tar", "h5"])
def test_damaged_and_unknown_files(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, kind, maps())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(CorruptFileError, match=f"{path.name}"):
        Predictions(path, IDS, SIZES)
    for other, message in (("rar", r"unpack it and give the folder.*\.zip"), ("xyz", r"give a folder of maps.*\.zip")):
        path = path.rename(tmp_path / f"maps.{other}")
        with pytest.raises(UserError, match=message):
            Predictions(path, IDS, SIZES)


def test_what_operating_systems_leave_in_archives_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / "model", "npy", maps())
    for junk in ("__MACOSX/model/._a.npy", "model/.DS_Store", "model/b/Thumbs.db", "model/.hidden/c.npy"):
        (tmp_path / junk).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / junk).write_bytes(b"junk")
    path = shutil.make_archive(str(tmp_path / "maps"), "zip", tmp_path, ".")
    assert Predictions(path, IDS, SIZES).extra == []
