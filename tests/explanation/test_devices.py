"""A network on another device, and how often an explanation makes that device wait for the host."""

from __future__ import annotations

import pytest
import torch
from benchmarks.launches import Launches
from tests.distillation.pretended import DEVICE, Elsewhere, pretended_device
from tests.explanation.nets import MATCHING, Functional, Plain
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from explainsal.explanation import PRESETS, Explainer
from explainsal.functional.kernels import block_kernels, choice_kernels, map_kernels, response_kernels, row_kernels

LOOPS = [
    (block_kernels, "block_moments"),
    (block_kernels, "absolute_differences"),
    (map_kernels, "add_combinations"),
    (response_kernels, "filtered"),
    (row_kernels, "standardize"),
    (choice_kernels, "pursue"),
]

VALUES = ("aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::equal")


class Waits(TorchDispatchMode):
    """Counts what makes a host wait for its accelerator: values that are looked at, and copies between the two."""

    def __init__(self, monkeypatch):
        super().__init__()
        self.found: list[str] = []
        looked = Elsewhere.tolist
        monkeypatch.setattr(Elsewhere, "tolist", lambda one: self.found.append("tolist") or looked(one))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, torch.Tensor)]
        there = [isinstance(one, Elsewhere) for one in tensors]
        name = func.name()
        picks = name.startswith("aten::index.Tensor") and any(t.dtype == torch.bool for t in tensors[1:])
        device = (kwargs or {}).get("device")
        copies = name == "aten::_to_copy" and device is not None and torch.device(device).type != tensors[0].device.type
        mixed = name == "aten::copy_" and len(set(there)) == 2
        if (any(there) and (name in VALUES or picks)) or copies or mixed:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("net", [Plain, Functional])
def test_a_network_elsewhere_is_explained_there_with_the_same_maps(preset, net, monkeypatch):
    torch.manual_seed(0)
    net, images = net().double(), torch.rand(2, 3, 24, 32, dtype=torch.float64)
    here = Explainer(net, preset)(images)
    for kernels, name in LOOPS:
        monkeypatch.setattr(kernels, name, lambda *args, **kwargs: pytest.fail("a loop for CPUs ran"))
    with pretended_device():
        out = Explainer(net.to(DEVICE), preset)(images)  # images are moved
        assert out.explainable_map.device == out.layers[0].coefficients.weights.device == DEVICE
        there, names = out.explainable_map.cpu(), [layer.name for layer in out.layers]
    assert names == [layer.name for layer in here.layers]
    assert_close(there, here.explainable_map, rtol=1e-7, atol=1e-9 * here.explainable_map.abs().max().item())


@pytest.mark.parametrize("preset", list(PRESETS))
def test_an_accelerator_never_waits_for_the_host(preset, monkeypatch):
    """Launches, not arithmetic, are what an explanation costs there: one look at a value empties the queue."""
    images = torch.rand(2, 3, 24, 32)
    with pretended_device():
        explainer, images = Explainer(Plain().to(DEVICE), preset), images.to(DEVICE)
        explainer(images)  # lists the layers, samples the banks
        with Waits(monkeypatch) as waits:
            explainer(images)
    assert waits.found == []


@pytest.mark.parametrize(("preset", "megabytes"), [("paper", 13), ("normalized", 5), ("sparse", 5)])
def test_a_batch_is_explained_in_parts_that_fit_and_each_image_as_alone(preset, megabytes, monkeypatch):
    torch.manual_seed(0)
    net, images = Plain().double(), torch.rand(5, 3, 24, 32, dtype=torch.float64)
    here = Explainer(net, preset)(images).explainable_map
    sizes, explain = [], Explainer._explain
    monkeypatch.setattr(
        Explainer, "_explain", lambda self, some, *rest: sizes.append(len(some)) or explain(self, some, *rest)
    )
    with pretended_device():
        explainer, images = Explainer(net.to(DEVICE), preset, memory_budget=megabytes * 10**6), images.to(DEVICE)
        explainer(images)
        with Waits(monkeypatch) as waits:
            out = explainer(images).explainable_map.cpu()
    assert sizes == 2 * [2, 2, 1]
    assert waits.found == ["aten::_to_copy"]  # that of the test; candidates that do not fit would be asked for
    assert_close(out, here, rtol=1e-7, atol=1e-9 * here.abs().max().item())


@pytest.mark.parametrize(
    ("preset", "changes", "most"),
    [
        ("normalized", MATCHING, 230),
        ("normalized", {}, 1030),  # ten candidates, each chosen in view of the others, by some 55 operations
        ("sparse", {}, 520),
    ],
)
def test_a_layer_is_few_launches_however_many_images(preset, changes, most):
    """Counted on the `meta` device, which has no numbers: a look at one would be an error."""
    counts = []
    plainly = changes | {"output_weight": 0, "noise_floor": 0}  # derivatives and a second fit come on top
    for batch in (1, 4):
        explainer, images = (
            Explainer(Plain(16).to("meta"), preset, **plainly),
            torch.rand(batch, 3, 48, 64, device="meta"),
        )
        explainer(images)
        with Launches() as launches:
            layers = explainer(images).layers
        with Launches() as again:
            explainer(images)
        assert (again.operations, again.moved) == (launches.operations, launches.moved)  # what a CUDA graph can replay
        counts.append(launches.operations.total() / len(layers))
    assert counts[0] <= most
    assert counts[1] < 1.1 * counts[0]


def test_what_makes_it_wait_is_noticed(monkeypatch):
    """Non-negative weights do look: so the count above can be something else than 0."""
    with pretended_device():
        explainer, images = Explainer(Plain().to(DEVICE), "sparse", coefficients="nnls"), torch.rand(1, 3, 16, 16)
        with Waits(monkeypatch) as waits:
            explainer(images)
    assert {"tolist", "aten::_local_scalar_dense", "aten::_to_copy"} <= set(waits.found)
