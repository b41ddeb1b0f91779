"""The four pictures of ../shared/fixtures/classical and the results of the original code."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

IDS = (1001, 1201, 1401, 1601)


class Goldens:
    """Return pictures as uint8 and as float64 in [0, 1], and stored arrays by name."""

    def __init__(self, shared: Path) -> None:
        folder = shared / "fixtures" / "classical"
        described = json.loads((folder / "golden.json").read_text())["input"]["images"]
        stimuli = shared / "data" / "osie" / "data" / "stimuli"
        paths = [next(p for p in (folder / f"{i}.jpg", stimuli / f"{i}.jpg") if p.exists()) for i in IDS]
        pixels = [np.array(Image.open(path).convert("RGB")) for path in paths]
        for image, array in zip(IDS, pixels, strict=True):
            if hashlib.sha256(array.tobytes()).hexdigest() != described[str(image)]["sha256_rgb_u8"]:
                pytest.skip(f"this Pillow decodes {image}.jpg to other pixels than the goldens were made from")
        self.images = torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()
        self.unit = self.images.double() / 255
        self._arrays = [np.load(folder / f"{image}.npz") for image in IDS]

    def __call__(self, name: str) -> Tensor:
        """Return the array of all four pictures, stacked, float64."""
        return torch.stack([torch.from_numpy(arrays[name].astype(np.float64)) for arrays in self._arrays])


@lru_cache(maxsize=1)
def load(shared: Path) -> Goldens:
    return Goldens(shared)


def difference(actual: Tensor, expected: Tensor) -> float:
    """Return the largest absolute difference, relative to the largest value of each picture's golden."""
    assert actual.shape == expected.shape
    return ((actual - expected).abs().flatten(1).amax(1) / expected.abs().flatten(1).amax(1)).max().item()
