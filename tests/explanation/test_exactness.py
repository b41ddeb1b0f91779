"""All shortcuts of a layer at once against the materialised computation: any size, any budget, loops or plain PyTorch.

The single shortcuts are tested in tests/functional; here they meet: candidates of another size than the layer, chunks
of one map, combinations of one map at a time, compiled loops on one thread and on three, the ways of an
accelerator.
"""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.distillation.pretended import DEVICE, pretended_device
from tests.reference import explanation as plain
from tests.threads import threads
from torch.testing import assert_close

from explainsal.explanation import PRESETS, FilterBank
from explainsal.explanation.candidates import Candidates
from explainsal.explanation.matching import match_layer
from explainsal.explanation.pools import Pool
from explainsal.explanation.pursuit import pursue_layer
from explainsal.functional.kernels.dispatch import plain_only

BANK = FilterBank(wavelengths=(3.0, 6.0), n_orientations=2, sigma_on_f=(0.55,), sigma_theta=(0.6,), low_pass=(1.0,))
# odd, not divisible by 8, smaller than a block. Not below 5: standardised maps of one block of `normalized` (4 x 4) all
# have mean 0 and deviation 1, and of candidates that are equal up to rounding either may be taken
SIZES = st.tuples(st.integers(5, 21), st.integers(5, 21))


def noise(count, size, seed, dtype=torch.float64):
    return torch.randn(1, count, *size, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def rebuilt_elsewhere(preset, activations, sources, budget, counts=None, **changes):
    """The branches of an accelerator: all candidates in one array where they fit, else chunks."""
    with pretended_device():
        counts = None if counts is None else torch.as_tensor(counts).to(DEVICE)
        return rebuilt(preset, activations.to(DEVICE), sources.to(DEVICE), budget, counts, **changes).maps.cpu()


def rebuilt(preset, activations, sources, budget, counts=None, **changes):
    options = replace(PRESETS[preset], bank=BANK, top_k=3, **changes)
    pools = [Pool("before", sources, torch.arange(sources.shape[1], device=sources.device)[None])]
    size = activations.shape[-2:]
    pixels = None if counts is None else torch.as_tensor(counts).flatten()[None, None]
    candidates = Candidates(
        pools, BANK, (size[0], size[1]), scaling=options.scaling, budget=budget, pixel_weights=pixels,
        rooted=not options.matching,
    )  # fmt: skip
    rebuild = match_layer if options.matching else pursue_layer
    return rebuild(activations, candidates, options, budget)


def materialised(preset, activations, sources, counts=None, **changes):
    """Maps ``(A, H, W)``, candidates made, enlarged, described and combined one by one."""
    options, size = replace(PRESETS[preset], **changes), sources[0].shape
    angles = [0.0, math.pi / 2]
    gabor = plain.log_gabor_loop(size, BANK.wavelengths, angles, BANK.sigma_on_f, BANK.sigma_theta)
    bank = np.concatenate([gabor, plain.gaussian_loop(size, BANK.low_pass)])
    seen = [plain.resize(one, activations[0].shape) for source in sources for one in plain.responses(source, bank, 4)]
    if options.coefficients == "greedy":
        return np.array([plain.rebuild_by_weighted_sums(one, seen, top_k=3, block=options.block_size, counts=counts)[0]
                         for one in activations])  # fmt: skip
    if preset == "sparse":
        how = {"top_k": 3, "ridge": options.ridge, "counts": counts, "floor": options.noise_floor}
        rebuild = functools.partial(plain.rebuild_by_pursuit, **how)
        return np.array([one[0] for one in plain.rebuild_layer(rebuild, activations, seen)])
    if options.scaling == "standardize":
        seen = [plain.standardized(one, counts) for one in seen]
    how = {"scales": options.scales, "top_k": 3, "block": options.block_size,
           "standardize": options.scaling == "standardize", "signed": options.signed,
           "joint": options.joint_scales, "counts": counts,
           "ridge": options.ridge if options.coefficients == "least_squares" else None}  # fmt: skip
    return np.array([plain.rebuild_by_matching(one, seen, **how)[0] for one in activations])


CASES = {
    **{preset: (preset, {}) for preset in PRESETS},
    "matching": ("normalized", {"coefficients": "inverse_mae"}),
    "joint scales": ("normalized", {"coefficients": "inverse_mae", "joint_scales": True, "scales": (2, 1, 0.5)}),
    "joint scales of the paper": ("paper", {"joint_scales": True}),
    "least squares": ("normalized", {"coefficients": "least_squares", "ridge": 0.1}),
    "least squares, maps as they come": ("paper", {"coefficients": "least_squares", "ridge": 0.01, "signed": False}),
    "pursuit with ridge": ("sparse", {"ridge": 0.1}),
    "pursuit down to noise": ("sparse", {"noise_floor": 0.7}),
    "pursuit down to noise with ridge": ("sparse", {"noise_floor": 0.7, "ridge": 0.1}),
}
WEIGHTED = {
    **CASES,
    "weighted blocks at scales": ("normalized", {"coefficients": "inverse_mae", "scales": (2, 1, 0.5)}),
}


@pytest.mark.parametrize("case", list(CASES))
@given(SIZES, SIZES, st.sampled_from([0, 1, 3, None]), st.sampled_from([1, 10**5, 10**9]), st.integers(0, 2**31))
@settings(deadline=None, max_examples=15)
@example((9, 12), (9, 12), None, 10**5, 0)  # an accelerator, filters in groups
@example((9, 12), (18, 7), None, 10**9, 0)  # resized into one array
def test_a_layer_of_any_size_is_the_materialised_one(case, size, before, looping, budget, seed):
    preset, changes = CASES[case]
    activations, sources = noise(3, size, seed), noise(2, before, seed + 1)
    expected = materialised(preset, activations[0].numpy(), list(sources[0].numpy()), **changes)
    if looping is None:
        found = rebuilt_elsewhere(preset, activations, sources, budget, **changes)[0].numpy()
        assert_close(found, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())
        return
    with threads(looping or 1), plain_only(looping == 0):
        found = rebuilt(preset, activations, sources, budget, **changes).maps[0].numpy()
    assert_close(found, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("case", list(WEIGHTED))
@given(SIZES, SIZES, st.sampled_from([0, 1, None]), st.sampled_from([1, 10**5, 10**9]), st.integers(0, 2**31))
@settings(deadline=None, max_examples=10)
def test_a_layer_whose_pixels_count_by_weights_is_the_materialised_one(case, size, before, looping, budget, seed):
    preset, changes = WEIGHTED[case]
    activations, sources = noise(3, size, seed), noise(2, before, seed + 1)
    counts = noise(1, size, seed + 2)[0, 0].exp().numpy()
    counts /= counts.mean()
    expected = materialised(preset, activations[0].numpy(), list(sources[0].numpy()), counts, **changes)
    if looping is None:
        found = rebuilt_elsewhere(preset, activations, sources, budget, counts, **changes)[0].numpy()
    else:
        with threads(looping or 1), plain_only(looping == 0):
            found = rebuilt(preset, activations, sources, budget, counts, **changes).maps[0].numpy()
    assert_close(found, expected, rtol=1e-9, atol=1e-9 * abs(expected).max())


@pytest.mark.parametrize("preset", ["paper", "normalized", "sparse"])
def test_equal_weights_change_nothing(preset):
    activations, sources = noise(3, (12, 16), 0), noise(2, (12, 16), 1)
    plainly = rebuilt(preset, activations, sources, 10**9).maps
    assert_close(rebuilt(preset, activations, sources, 10**9, np.ones((12, 16))).maps, plainly, rtol=1e-9, atol=1e-12)
