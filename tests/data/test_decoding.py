"""Pictures of every colour mode become RGB of 8 bits, as stored; what cannot be read is named."""

import cv2
import numpy as np
import pytest
from PIL import Image

from explainsal.data.decoding import image_size, read_image
from explainsal.errors import CorruptFileError, MissingFilesError

COLOURS = np.array([[200, 30, 40], [20, 180, 60], [240, 240, 10]], np.uint8)


@pytest.fixture
def picture():
    """Three upright bars, 32 x 48."""
    return Image.fromarray(np.repeat(np.repeat(COLOURS[None], 16, 1), 32, 0))


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "png"), ("RGB", "jpg"), ("RGB", "tif"), ("RGBA", "png"), ("RGBA", "tif"), ("P", "png"), ("CMYK", "jpg")],
)
def test_colours_survive_every_mode(tmp_path, picture, mode, suffix):
    path = tmp_path / f"picture.{suffix}"
    (picture.quantize(8) if mode == "P" else picture.convert(mode)).save(
        path, **({"quality": 95} if suffix == "jpg" else {})
    )
    image = read_image(path)
    assert (image.shape, image.dtype, image_size(path)) == ((32, 48, 3), np.uint8, (32, 48))
    assert np.abs(image[5, [5, 24, 43]].astype(int) - COLOURS).max() <= 3


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey_becomes_three_equal_planes(tmp_path, mode):
    ramp = np.tile(np.linspace(0, 255, 48).astype(np.uint8), (32, 1))
    if mode == "I;16":
        cv2.imwrite(str(tmp_path / "grey.png"), ramp.astype(np.uint16) * 257)
    else:
        Image.fromarray(ramp).convert(mode).save(tmp_path / "grey.png")
    image = read_image(tmp_path / "grey.png")
    assert image.shape == (32, 48, 3)
    assert (image == image[..., :1]).all()
    if mode != "1":
        assert np.abs(image[..., 0].astype(int) - ramp).max() <= 1


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_the_exif_orientation_is_ignored(tmp_path, picture, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.png", exif=exif)
    assert image_size(tmp_path / "a.png") == read_image(tmp_path / "a.png").shape[:2] == (32, 48)


@pytest.mark.parametrize("name", ["ünïcode 名.png", b"not utf-8 \xff.png".decode(errors="surrogateescape")])
def test_any_name(tmp_path, picture, name):
    picture.save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / name)
    assert read_image(tmp_path / name).shape == (32, 48, 3)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99])
@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_a_cut_file_is_named(tmp_path, picture, keep, suffix):
    path = tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(CorruptFileError, match=rf"cut\.{suffix}.*Unpack or copy it again"):
        read_image(path)


def test_no_file_a_folder_and_no_permission(tmp_path):
    with pytest.raises(MissingFilesError, match="none"):
        read_image(tmp_path / "none.png")
    with pytest.raises(CorruptFileError, match="cannot read the picture"):
        read_image(tmp_path)
