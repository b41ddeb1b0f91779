"""The rarity model: its steps against loops, and pop-outs by color, orientation and size."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tests.reference import classical as oracle
from torch import Tensor

from explainsal.classical import rare_style
from explainsal.classical.rare_style import RareStyle

GENERATOR = np.random.default_rng(0)


def test_self_information_of_one_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rare_style, "LEVELS", 1)
    maps = GENERATOR.random((3, 12, 17)) ** 3
    actual = rare_style.self_information(torch.from_numpy(maps), 7)
    for values, got in zip(maps, actual, strict=True):
        expected = oracle.self_information(values, 7)
        expected = (expected - expected.min()) / (expected.max() - expected.min())
        np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("number", [2, 3, 8])
def test_fusion(number: int) -> None:
    maps = GENERATOR.random((2, number, 6, 9)) ** GENERATOR.uniform(0.5, 5, size=(2, number, 1, 1))
    actual = rare_style.fuse(torch.from_numpy(maps))
    for i in range(2):
        np.testing.assert_allclose(actual[i].numpy(), oracle.fuse(list(maps[i]), rare_style.THRESHOLD), rtol=1e-12)


def test_components_are_decorrelated_and_ordered() -> None:
    mixed = np.einsum("kc,khw->chw", GENERATOR.normal(size=(3, 3)), GENERATOR.random((3, 20, 30)))
    images = torch.from_numpy(mixed)[None]
    directions = np.linalg.eigh(np.cov(mixed.reshape(3, -1)))[1][:, ::-1]
    expected = directions.T @ (mixed.reshape(3, -1) - mixed.reshape(3, -1).mean(1, keepdims=True))
    actual = rare_style.decorrelated(images)[0].reshape(3, -1).numpy()
    assert abs(np.corrcoef(actual) - np.eye(3)).max() < 1e-9
    for got, want in zip(actual, expected, strict=True):
        assert abs(np.corrcoef(got, want)[0, 1]) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize(("scale", "step"), [(0, 0), (1, 3), (2, 7)])
def test_gabors_peak_at_their_frequency(scale: int, step: int) -> None:
    bank = rare_style.gabor_bank((256, 256), 0.25)
    frequency, angle = 0.25 / math.sqrt(2) ** scale, math.pi * step / 8
    row, column = divmod(bank[scale, step].argmax().item(), 256)
    v, u = (np.fft.fftfreq(256)[i] for i in (row, column))
    assert math.hypot(u - frequency * math.cos(angle), v - frequency * math.sin(angle)) < 1 / 256
    assert bank.max() <= 1
    # half of the peak, half an octave step outwards, at the crossing with the finer neighbor
    outwards = frequency * 2 * math.sqrt(2) / (1 + math.sqrt(2))
    gamma = math.sqrt(math.log(2)) / math.pi * (math.sqrt(2) + 1) / (math.sqrt(2) - 1)
    assert math.exp(-((math.pi / frequency * gamma * (outwards - frequency)) ** 2)) == pytest.approx(0.5, abs=1e-12)


def scene(draw: str) -> tuple[Tensor, list[tuple[int, int]], int]:
    """Draw a grid of items; `draw` draws the seventh, which differs."""
    rows, columns = torch.meshgrid(torch.arange(192), torch.arange(256), indexing="ij")
    images = torch.full((1, 3, 192, 256), 0.5)
    centres = [(r, c) for r in (40, 96, 152) for c in (40, 98, 156, 214)]
    for i, (r, c) in enumerate(centres):
        odd = i == 6
        dy, dx = rows - r, columns - c
        if draw == "orientation":
            item = (dy**2 + dx**2 < 12**2) & (((dy if odd else dx) % 5) < 2)  # a disc of fine stripes
        else:
            item = dy**2 + dx**2 < (18 if odd and draw == "size" else 10) ** 2
        color = [0.8, 0.2, 0.2] if odd and draw == "color" else [0.2, 0.5, 0.2]
        images[0, :, item] = torch.tensor(color)[:, None]
    return images, centres, 6


@pytest.mark.parametrize("draw", ["color", "orientation", "size"])
def test_pop_out(draw: str) -> None:
    images, centres, odd = scene(draw)
    maps = RareStyle()(images)[0, 0]
    peaks = [maps[r - 20 : r + 21, c - 20 : c + 21].mean().item() for r, c in centres]
    others = [p for i, p in enumerate(peaks) if i != odd]
    assert peaks[odd] > 1.1 * max(others)


def test_bad_options() -> None:
    for options in ({"longest": 8}, {"bins": 1}, {"f_max": 0.7}):
        with pytest.raises(ValueError, match="must be"):
            RareStyle(**options)
