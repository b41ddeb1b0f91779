"""Small files that claim to be huge: the size that their head states is judged before memory is taken."""

from __future__ import annotations

import io
import struct
import tarfile
import tracemalloc
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io
from tests.data.lookalikes.pictures import write_picture

from explainsal.data.decoding import image_size, read_array, read_density, read_image
from explainsal.data.folder import read_folder
from explainsal.data.ground_truth import read_binary_map
from explainsal.data.headers import Expected
from explainsal.data.map_files import open_maps
from explainsal.data.predictions import Predictions
from explainsal.data.pysaliency_hdf5 import read_picture, read_scanpaths, read_stimuli
from explainsal.data.reading import Reading
from explainsal.errors import CorruptFileError

SIZE = (24, 32)
HUGE = (24_000, 32_000)  # of the right aspect
MEMORY = 64 << 20  # bytes that a refusal may take


@pytest.fixture(autouse=True)
def small_memory() -> Iterator[None]:
    """Whatever a test reads, it may not take much memory."""
    tracemalloc.start()
    yield
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY, f"{peak / 1e6:.0f} MB"


def png(size: tuple[int, int]) -> bytes:
    """A grey picture that is all head."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", size[1], size[0], 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def npy(shape: tuple[int, ...]) -> bytes:
    """The head of an array of zeros."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": shape}
    )  # fmt: skip
    return stream.getvalue()


def npz(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("map.npy", "w") as file:
        file.write(npy(shape))
        for _ in range(200):  # what is packed here is 200 MB and takes 200 kB
            file.write(bytes(1 << 20))
    return stream.getvalue()


def h5(path: Path, name: str, shape: tuple[int, ...], dtype: str = "f8") -> None:
    with h5py.File(path, "a") as file:
        file.create_dataset(name, shape=shape, dtype=dtype, chunks=True, fillvalue=0)


def refused_maps(folder: Path, shape: tuple[int, ...]) -> Iterator[Path]:
    """A map `a` of this shape in every kind of place."""
    for suffix, content in (("png", png(shape)), ("npy", npy(shape)), ("npz", npz(shape))):
        place = folder / suffix
        place.mkdir()
        (place / f"a.{suffix}").write_bytes(content)
        yield place
        with zipfile.ZipFile(folder / f"{suffix}.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr(f"a.{suffix}", content)
        yield folder / f"{suffix}.zip"
        with tarfile.open(folder / f"{suffix}.tar.gz", "w:gz") as tar:
            tar.add(place / f"a.{suffix}", f"a.{suffix}")
        yield folder / f"{suffix}.tar.gz"
    h5(folder / "maps.h5", "a", shape)
    yield folder / "maps.h5"


def test_predictions_far_larger_than_their_image_are_not_read(tmp_path: Path) -> None:
    for place in refused_maps(tmp_path, HUGE):
        with pytest.raises(CorruptFileError, match=r"24\D*000 x 32\D*000|million pixels"):
            Predictions(place, ["a"], [SIZE]).read(0)


def test_maps_of_a_submission_are_not_read_where_they_are_no_maps(tmp_path: Path) -> None:
    for place in refused_maps(tmp_path, HUGE):
        files = open_maps(place)
        with pytest.raises(CorruptFileError, match="million"):
            files.read(files.names()[0])


def test_an_archive_in_an_archive_is_not_unpacked_for_a_small_map(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:  # 20 MB that become 126 MB below
        archive.writestr("map.npy", npy(SIZE) + bytes(8 * 24 * 32))
        archive.writestr("more.txt", bytes(20 << 20))
    inner = stream.getvalue()
    assert np.load(io.BytesIO(inner))["map"].shape == SIZE
    with zipfile.ZipFile(tmp_path / "maps.zip", "w", zipfile.ZIP_DEFLATED) as packed, packed.open("a.npz", "w") as file:
        file.write(bytes(1 << 20) * 100 + inner)  # a zip file may begin with anything
    del stream, archive, inner
    tracemalloc.reset_peak()
    with pytest.raises(CorruptFileError, match=r"a\.npz has 126 MB for a map of \(24, 32\)"):
        open_maps(tmp_path / "maps.zip").read("a.npz")


def test_an_enlarged_map_is_still_a_map(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((192, 256)))
    assert Predictions(tmp_path, ["a"], [SIZE]).read(0).shape == (192, 256)
    np.save(tmp_path / "a.npy", np.zeros((193, 257)))
    with pytest.raises(CorruptFileError, match=r"193 x 257.*more than 8 times.*save it at the size"):
        Predictions(tmp_path, ["a"], [SIZE]).read(0)


@pytest.mark.parametrize("suffix", ["npy", "mat", "png", "zip", "h5"])
def test_empty_maps_have_a_message(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    if suffix == "npy":
        np.save(path, np.zeros((0, 5)))
    elif suffix == "mat":
        scipy.io.savemat(path, {"a": np.zeros((0, 5))})
    elif suffix == "png":
        path.write_bytes(png((0, 5)))
    elif suffix == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", npy((0, 5)))
    else:
        h5(path, "a", (3, 4, 0))
    if suffix in ("npy", "mat", "png"):
        with pytest.raises(CorruptFileError, match=r"a\.\w+.* (empty|damaged|not a picture)"):
            read_density(path)
    with pytest.raises(CorruptFileError, match=r"a\.\w+.* (empty|damaged|not a picture|0 maps)|not a map"):
        open_maps(path if suffix in ("zip", "h5") else tmp_path).read("a.npy" if suffix == "zip" else _only(tmp_path))


def _only(folder: Path) -> str:
    (path,) = folder.iterdir()
    return "a" if path.suffix == ".h5" else path.name


def test_a_density_is_compared_with_its_image_before_it_is_read(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "a.png", SIZE)
    (tmp_path / "maps").mkdir()
    for suffix, content in (("png", png((12_000, 13_000))), ("npy", npy((12_000, 13_000)))):
        path = tmp_path / "maps" / f"a.{suffix}"
        path.write_bytes(content)
        with pytest.raises(CorruptFileError, match=rf"a\.{suffix} is 12000 x 13000.*a\.png is 24 x 32"):
            read_folder(tmp_path)[0]
        path.unlink()


@pytest.mark.parametrize("kind", ["fixations", "images"])
def test_a_picture_over_the_limit_is_one_message_and_can_be_skipped(tmp_path: Path, kind: str) -> None:
    for name in "ab":
        write_picture(tmp_path / "images" / f"{name}.png", SIZE)
        write_picture(tmp_path / "fixations" / f"{name}.png", SIZE)
    (tmp_path / kind / "a.png").write_bytes(png((30_000, 30_000)))
    with pytest.raises(CorruptFileError, match=r"a\.png.*179 million pixels"):
        read_folder(tmp_path)
    with pytest.warns(UserWarning, match="1 of 2 images are unreadable and skipped: a"):
        assert read_folder(tmp_path, reading=Reading(unreadable="skip")).ids == ("b",)


def test_pictures_that_grew_and_binary_maps(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png((9000, 9000)))  # above Pillow's warning
    assert image_size(path) == (9000, 9000)
    with pytest.raises(CorruptFileError, match=r"9000 x 9000 pixels \(H x W\), it was 24 x 32: start again"):
        read_image(path, Expected(SIZE, "it was", "start again"))
    write_picture(tmp_path / "image.png", SIZE)
    with pytest.raises(CorruptFileError, match="never resized"):
        read_binary_map(path, tmp_path / "image.png")
    (tmp_path / "a.npy").write_bytes(npy(HUGE))
    with pytest.raises(CorruptFileError, match="million"):
        read_array(tmp_path / "a.npy")


def scanpaths(path: Path, shape: tuple[int, int]) -> None:
    with h5py.File(path, "w") as file:
        file.attrs["type"], file.attrs["version"] = np.bytes_("FixationTrains"), np.bytes_("1.2")
    for name in ("train_xs", "train_ys", "train_ts"):
        h5(path, name, shape)
    for name in ("train_ns", "train_subjects"):
        h5(path, name, shape[:1], "i8")


def test_scanpaths_that_claim_gigabytes(tmp_path: Path) -> None:
    scanpaths(tmp_path / "f.hdf5", (1000, 200_000))
    with pytest.raises(CorruptFileError, match=r"train_xs claims 1\.6 GB \(1000 x 200000\)"):
        read_scanpaths(tmp_path / "f.hdf5")
    scanpaths(tmp_path / "g.hdf5", (5, 4))
    with h5py.File(tmp_path / "g.hdf5", "a") as file:
        del file["train_ys"]
    h5(tmp_path / "g.hdf5", "train_ys", (5, 3))
    with pytest.raises(CorruptFileError, match="inconsistent shapes"):
        read_scanpaths(tmp_path / "g.hdf5")


def test_stimuli_that_claim_gigabytes(tmp_path: Path) -> None:
    path = tmp_path / "s.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["type"], file.attrs["version"] = np.bytes_("Stimuli"), np.bytes_("1.1")
        file.attrs["size"] = 10**12
    h5(path, "0", (30_000, 30_000, 3), "u1")
    with pytest.raises(CorruptFileError, match="states 1000000000000 pictures and holds 1"):
        read_stimuli(path)
    with pytest.raises(CorruptFileError, match="30000 x 30000 x 3"):
        read_picture(path, 0)


def test_values_in_other_files_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.arange(24 * 32, dtype="f8").tobytes())
    h5(tmp_path / "other.h5", "a", SIZE)
    path = tmp_path / "maps.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("a", SIZE, "f8", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])
        layout = h5py.VirtualLayout(SIZE, "f8")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "a", shape=SIZE)
        file.create_virtual_dataset("b", layout)
        file["c"] = h5py.ExternalLink("other.h5", "a")
    files = open_maps(path)
    assert files.names() == ["a", "b"]  # links are not followed
    for name in "abc":
        with pytest.raises(CorruptFileError, match="another file"):
            files.read(name)
