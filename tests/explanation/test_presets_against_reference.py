"""Each preset against the plain transcription in tests/reference, in float64, layer by layer."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import torch
from tests.explanation.nets import MATCHING
from tests.reference import explanation as plain
from torch import nn
from torch.testing import assert_close

from explainsal.explanation import BANKS, Explainer

LUMINANCE, RED_GREEN, BLUE_YELLOW = (0.299, 0.587, 0.114), (1, -1, 0), (-0.5, -0.5, 1)


class Branches(nn.Module):
    """A stem, two paths that are concatenated, a residual sum, pooling: all that a parent can be."""

    def __init__(self):
        super().__init__()
        self.stem, self.left, self.right = (
            nn.Conv2d(3, 3, 3, padding=1),
            nn.Conv2d(3, 2, 3, padding=1),
            nn.Conv2d(3, 3, 1),
        )
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(2)
        self.fuse, self.last = nn.Conv2d(5, 3, 1), nn.Conv2d(3, 1, 3, padding=1)

    def forward(self, images):
        x = self.relu(self.stem(images))
        both = torch.cat([self.left(x), self.right(x)], dim=1)
        return self.last(self.pool(self.fuse(both) + x))


NAMES = ["stem", "relu", "left", "right", "fuse", "pool", "last"]
WITH_IMAGE = {
    "stem": ["input"], "relu": ["stem", "input"], "left": ["relu", "input"], "right": ["relu", "input"],
    "fuse": ["left", "right", "input"], "pool": ["relu", "fuse", "input"], "last": ["pool", "input"],
}  # fmt: skip
GRAPH = {name: [p for p in parents if p != "input" or name == "stem"] for name, parents in WITH_IMAGE.items()}
SEQUENCE = {name: [before] for name, before in zip(NAMES, ["input", *NAMES], strict=False)}


def activations_by_hand(net, images):
    x = {"stem": net.stem(images)}
    x["relu"] = x["stem"].clamp(min=0)
    x["left"], x["right"] = net.left(x["relu"]), net.right(x["relu"])
    x["fuse"] = net.fuse(torch.cat([x["left"], x["right"]], dim=1))
    x["pool"] = torch.nn.functional.max_pool2d(x["fuse"] + x["relu"], 2)
    x["last"] = net.last(x["pool"])
    return {name: x[name][0].detach().numpy() for name in NAMES}


@functools.cache
def transfer(bank, size):
    wavelengths = [w for w in bank.wavelengths if not bank.up_to_map_size or w <= max(size)]
    angles = [i * math.pi / bank.n_orientations for i in range(bank.n_orientations)]
    gabor = plain.log_gabor_loop(size, wavelengths, angles, bank.sigma_on_f, bank.sigma_theta)
    return np.concatenate([gabor, plain.gaussian_loop(size, bank.low_pass)]) if bank.low_pass else gabor


CASES = {
    "paper": ({"pool_size": 2, "top_k": 4}, SEQUENCE, [LUMINANCE]),
    "normalized": ({"pool_size": 2, "top_k": 4}, GRAPH, [LUMINANCE]),
    "matching": ({"pool_size": 2, "top_k": 4, **MATCHING}, WITH_IMAGE, [LUMINANCE]),
    "sparse": ({"pool_size": 2, "top_k": 4}, GRAPH, [LUMINANCE, RED_GREEN, BLUE_YELLOW]),
}


@pytest.mark.parametrize("size", [(16, 24), (17, 26)])  # of 9 columns, an 8 px blur leaves only rounding errors
@pytest.mark.parametrize("preset", list(CASES))
def test_every_layer_is_rebuilt_as_the_plain_transcription_does(preset, size):
    changes, parents, axes = CASES[preset]
    net, images = Branches().double(), torch.rand(1, 3, *size, dtype=torch.float64)
    case, preset = preset, "normalized" if preset == "matching" else preset
    explainer = Explainer(net, preset, **changes)
    out, pixels = explainer(images, keep_maps=True), explainer.output_weights(images)
    counts = influence = None
    if pixels is not None:
        sizes = {layer.name: layer.shape[1:] for layer in out.layers}
        counts = {name: pixels.at(name, size, torch.float64).reshape(size).numpy() for name, size in sizes.items()}
        influence = {name: pixels.of_maps(name)[0].numpy() for name in sizes}
        assert all(len(one) == 1 or one.std() > 0.01 for one in influence.values())

    options = explainer.options
    if case == "normalized":
        rebuild = functools.partial(plain.rebuild_by_weighted_sums, top_k=4, block=options.block_size)
    elif case == "sparse":
        rebuild = functools.partial(plain.rebuild_by_pursuit, top_k=4, floor=options.noise_floor)
    else:
        rebuild = functools.partial(plain.rebuild_by_matching, scales=options.scales, top_k=4, block=options.block_size,
                                    standardize=case == "matching", signed=options.signed)  # fmt: skip
    seen = [sum(w * images[0, c].numpy() for c, w in enumerate(axis)) for axis in axes]
    expected = plain.explain_chain(
        seen, activations_by_hand(net, images), parents, functools.partial(transfer, options.bank),
        energies=lambda s: len(transfer(options.bank, s)) - len(options.bank.low_pass),
        rebuild=rebuild, standardize=preset != "paper", selection=options.selection, pool_size=2,
        low_pass_parts=options.bank.low_pass_parts, counts=counts, influence=influence,
    )  # fmt: skip

    assert [layer.name for layer in out.layers] == NAMES
    for layer in out.layers:
        maps, kept, details = expected[layer.name]
        assert list(layer.parents) == parents[layer.name]
        assert layer.kept[0].tolist()[: len(kept)] == kept
        # float64 through eight layers of FFTs and least squares: far above rounding, far below any real difference
        assert_close(layer.reconstructions[0].numpy(), maps, rtol=1e-7, atol=1e-9)
        weights = np.array(
            [np.ravel(np.pad(d[2], (0, 4 - len(d[2]))) if case in ("normalized", "sparse") else d[2]) for d in details]
        )
        assert_close(layer.coefficients.weights[0].numpy(), weights, rtol=1e-6, atol=1e-9)
    assert_close(out.explainable_map[0, 0].numpy(), expected["last"][0][0], rtol=1e-7, atol=1e-9)


def test_the_paper_bank_has_the_80_filters_of_section_ii():
    bank = BANKS["paper"]
    assert len(bank) == 80
    assert sorted({f.wavelength for f in bank.filters}) == [1, 1.5, 2.25, 3.375]
    assert sorted({f.sigma_on_f for f in bank.filters}) == [0.5, 0.75, 1.125, 1.6875]
