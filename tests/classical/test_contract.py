"""Common properties of classical models: shapes, ranges, independence of the batch, degenerate pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from explainsal.classical.gbvs import GBVS
from explainsal.classical.hft import HFT
from explainsal.classical.icl import ICL
from explainsal.classical.itti import Itti
from explainsal.classical.rare_style import RareStyle
from explainsal.classical.signature import Signature
from explainsal.classical.sim2011 import SIM2011
from explainsal.classical.sim_grouping import SIMGrouping
from explainsal.classical.spectral_residual import SpectralResidual

MODELS = [Itti, GBVS, ICL, HFT, SIM2011, SIMGrouping, RareStyle, Signature, SpectralResidual]
WHOLE_IMAGE = [
    Itti,
    GBVS,
    ICL,
    HFT,
    RareStyle,
    Signature,
]  # SIM compares only neighborhoods, spectral residual ignores color
models = pytest.mark.parametrize("model", MODELS, ids=lambda m: m.__name__)


def pictures(count: int, size: tuple[int, int], seed: int = 0) -> Tensor:
    """Draw colored squares on a textured background."""
    generator = torch.Generator().manual_seed(seed)
    images = 0.3 + 0.2 * torch.rand(count, 3, *size, generator=generator)
    for image in images:
        row, column = (int(torch.randint(0, side - 12, (1,), generator=generator)) for side in size)
        image[:, row : row + 12, column : column + 12] = torch.rand(3, 1, 1, generator=generator)
    return images


@models
@pytest.mark.parametrize("size", [(96, 128), (150, 90), (121, 143)])
def test_shape_and_range(model: type[nn.Module], size: tuple[int, int]) -> None:
    maps = model()(pictures(2, size))
    assert maps.shape == (2, 1, *size)
    assert maps.dtype == torch.float32
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert (maps.amax(dim=(1, 2, 3)) > 0).all()


@models
def test_images_do_not_influence_each_other(model: type[nn.Module]) -> None:
    images = pictures(3, (96, 128))
    whole = model()(images)
    for i in range(3):
        torch.testing.assert_close(model()(images[i : i + 1])[0], whole[i], rtol=1e-6, atol=1e-7)


@models
def test_bytes_are_the_same_as_fractions(model: type[nn.Module]) -> None:
    images = (pictures(1, (96, 128)) * 255).round().to(torch.uint8)
    torch.testing.assert_close(model()(images), model()(images.double() / 255), rtol=0, atol=0)


@models
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_flat_picture_gives_a_finite_map(model: type[nn.Module], value: float) -> None:
    maps = model()(torch.full((1, 3, 96, 128), value))
    assert maps.isfinite().all()
    assert maps.min() >= 0


@pytest.mark.parametrize("model", WHOLE_IMAGE, ids=lambda m: m.__name__)
def test_an_odd_one_out_is_found(model: type[nn.Module]) -> None:
    """The map at a red disc among green discs, different only in color, is higher than at any other disc."""
    rows, columns = torch.meshgrid(torch.arange(192), torch.arange(256), indexing="ij")
    images = torch.full((1, 3, 192, 256), 0.5)
    centres = [(r, c) for r in (40, 96, 152) for c in (40, 98, 156, 214)]
    for i, (r, c) in enumerate(centres):
        color = torch.tensor([0.8, 0.2, 0.2] if i == 6 else [0.2, 0.5, 0.2])
        images[0, :, (rows - r) ** 2 + (columns - c) ** 2 < 10**2] = color[:, None]
    maps = model()(images)[0, 0]
    values = [maps[r - 12 : r + 13, c - 12 : c + 13].mean().item() for r, c in centres]
    assert max(values) == values[6]


@models
def test_a_lone_disc_is_found(model: type[nn.Module]) -> None:
    rows, columns = torch.meshgrid(torch.arange(192), torch.arange(256), indexing="ij")
    disc = (rows - 60) ** 2 + (columns - 170) ** 2 < 10**2
    images = torch.full((1, 3, 192, 256), 0.5)
    images[0, :, disc] = torch.tensor([0.9, 0.2, 0.2])[:, None]
    maps = model()(images)[0, 0]
    assert maps[disc].mean() > 1.5 * maps.mean()


@models
def test_bad_input(model: type[nn.Module]) -> None:
    with pytest.raises(ValueError, match="RGB"):
        model()(torch.rand(1, 1, 32, 32))
    with pytest.raises(ValueError, match="uint8"):
        model()(torch.zeros(1, 3, 32, 32, dtype=torch.int64))


@models
@pytest.mark.parametrize("size", [(1, 64), (64, 1), (1, 1)])
def test_a_line_of_pixels(model: type[nn.Module], size: tuple[int, int]) -> None:
    maps = model()(torch.rand(1, 3, *size))
    assert maps.shape == (1, 1, *size)
    assert maps.isfinite().all()
