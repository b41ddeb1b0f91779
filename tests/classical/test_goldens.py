"""Classical models against their original MATLAB code, run in Octave on four pictures."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tests.classical.golden import Goldens, difference, load

from explainsal.classical.hft import HFT, entropies
from explainsal.classical.itti import Itti
from explainsal.classical.matlab import min_max
from explainsal.classical.signature import Signature
from explainsal.classical.spectral_residual import SpectralResidual


@pytest.fixture(scope="module")
def goldens(shared: Path) -> Goldens:
    return load(shared)


STORED = 1e-6  # goldens are float32; what the toolbox computes in float32 leaves 4e-7


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("itti_gbvstb", Itti()),
        ("itti_gbvstb_noblur", Itti(blur_fraction=0)),
        ("itti_gbvstb_delta23_noblur", Itti(deltas=(2, 3), blur_fraction=0)),
        ("signature_rgb_48x64", Signature()),
        ("signature_rgb_noblur_48x64", Signature(blur_fraction=0)),
        ("spectralresidual_48x64", SpectralResidual()),
        ("spectralresidual_raw_48x64", SpectralResidual(sigma=0)),
    ],
)
def test_map(goldens: Goldens, name: str, model: torch.nn.Module) -> None:
    assert difference(model.saliency(goldens.unit), goldens(name)) < STORED


@pytest.mark.parametrize("channel", ["color", "intensity", "orientation"])
def test_itti_channels(goldens: Goldens, channel: str) -> None:
    assert difference(min_max(Itti().channels(goldens.unit)[channel]), goldens(f"itti_gbvstb_cm_{channel}")) < STORED


def test_hft(goldens: Goldens) -> None:
    maps = HFT().scale_maps(goldens.unit)
    assert difference(maps, goldens("hft_scales_8x128x128")) < 1e-3  # stored as float16
    scores = entropies(maps)
    assert difference(scores, goldens("hft_entropy1")) < STORED
    chosen = scores.argmin(dim=1)
    assert (chosen + 1).tolist() == goldens("hft_k").tolist()
    best = maps[torch.arange(4), chosen]
    for fraction, name in ((0.04, "hft_128_s0p04"), (0.05, "hft_128_s0p05")):
        assert difference(HFT(fraction).smooth(best), goldens(name)) < STORED
        assert difference(HFT(fraction).saliency(goldens.unit), goldens(name)) < STORED
