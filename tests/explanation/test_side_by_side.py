"""Several images at the same time on a CPU: the same results as one after the other, whatever the network."""

import threading
import time

import pytest
import torch
from tests.explanation.nets import Functional, Odd
from tests.threads import threads
from torch import nn

from explainsal.errors import ModelError
from explainsal.explanation import PRESETS, Explainer
from explainsal.explanation.transfer import REMEMBERED_BYTES, _sampled
from explainsal.functional.kernels.dispatch import loops_run


def pictures(*sizes):
    return [nn.functional.avg_pool2d(torch.rand(1, 3, *size), 5, stride=1, padding=2) for size in sizes]


def same(one, other):
    assert torch.equal(one.explainable_map, other.explainable_map)
    assert torch.equal(one.saliency_map, other.saliency_map)
    for a, b in zip(one.layers, other.layers, strict=True):
        assert torch.equal(a.coefficients.weights, b.coefficients.weights)
        assert torch.equal(a.reconstructions, b.reconstructions)


class Told(nn.Module):
    """Says in which thread it ran, whether loops run there, and fails for the image whose first pixel is 2."""

    def __init__(self):
        super().__init__()
        self.body, self.head, self.seen = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 1, 1), set()

    def __deepcopy__(self, memo):
        other = Told()
        other.load_state_dict(self.state_dict())
        other.seen = self.seen
        return other

    def forward(self, images):
        if images[0, 0, 0, 0] == 2:
            raise ModelError("an image of two")
        self.seen.add((threading.get_ident(), loops_run(images)))
        return self.head(self.body(images).relu())


@pytest.mark.usefixtures("loops_or_plain")
@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("net", [Functional(), Odd()])
def test_the_number_of_threads_changes_no_bit(preset, net):
    images = torch.cat(pictures(*3 * [(24, 32)]))
    with threads(1):
        alone = Explainer(net, preset)(images, keep_maps=True)
    for count in (2, 3):
        with threads(count), torch.inference_mode():
            same(Explainer(net, preset)(images, keep_maps=True), alone)


def test_images_of_several_sizes_are_explained_in_their_order():
    net, batches = Functional(), pictures((24, 32), (32, 24), (16, 40), (24, 32), (8, 8))
    with threads(1):
        alone = [Explainer(net)(images, keep_maps=True) for images in batches]
    with threads(2):
        together = Explainer(net).explain_each(batches, keep_maps=True)
    for one, other in zip(together, alone, strict=True):
        same(one, other)


def test_every_thread_has_a_network_of_its_own_and_computes_as_the_caller(loops_or_plain):
    net, batches = Told(), pictures(*4 * [(24, 32)])
    with threads(2):
        Explainer(net).explain_each(batches)  # finds the layers in this thread
        net.seen.clear()
        Explainer(net).explain_each(batches)
    idents, loops = zip(*net.seen, strict=True)
    assert len(set(idents) - {threading.get_ident()}) == 2
    assert set(loops) == {loops_run(batches[0])}


def test_a_network_that_cannot_be_copied_explains_one_image_after_the_other():
    class Stubborn(Told):
        def __deepcopy__(self, memo):
            raise RuntimeError("no copies")

    torch.manual_seed(0)
    net, batches = Stubborn(), pictures(*2 * [(24, 32)])
    with threads(1):
        alone = [Explainer(net)(images, keep_maps=True) for images in batches]
    net.seen.clear()
    with threads(2):
        together = Explainer(net).explain_each(batches, keep_maps=True)
    assert {ident for ident, _ in net.seen} == {threading.get_ident()}
    for one, other in zip(together, alone, strict=True):
        same(one, other)


def test_progress_counts_every_layer_of_every_image_once():
    told = []
    with threads(2):
        Explainer(Functional()).explain_each(
            pictures(*3 * [(24, 32)]), progress=lambda done, total: told.append((done, total))
        )
    total = told[0][1]
    assert told == [(done, total) for done in range(1, total + 1)]
    assert total % 3 == 0


def test_an_error_in_one_image_is_raised_and_the_explainer_stays_usable():
    net, batches = Told(), pictures(*3 * [(24, 32)])
    batches[1][0, 0, 0, 0] = 2
    explainer = Explainer(net)
    with threads(2):
        with pytest.raises(ModelError, match="an image of two"):
            explainer.explain_each(batches)
        assert len(explainer.explain_each([batches[0], batches[2]])) == 2
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


def test_an_interruption_ends_the_other_images_after_their_layer():
    """The first image fails at its end, when the second, whose forward pass waits for that, has layers left."""
    ended, failing, layers = threading.Event(), threading.Event(), []

    class Waits(Told):
        def forward(self, images):
            if images[0, 0, 0, 0] == 2:
                failing.set()
            elif images[0, 0, 0, 0] == 3:
                failing.wait(20)
                time.sleep(0.2)  # until the first image has failed
            try:
                return super().forward(images)
            finally:
                if images[0, 0, 0, 0] == 3:
                    ended.set()

        def __deepcopy__(self, memo):
            other = Waits()
            other.load_state_dict(self.state_dict())
            other.seen = self.seen
            return other

    batches = pictures(*2 * [(24, 32)])
    batches[0][0, 0, 0, 0], batches[1][0, 0, 0, 0] = 2, 3
    explainer = Explainer(Waits(), output_weight=0.0)
    explainer.layers((24, 32))
    with threads(2):
        with pytest.raises(ModelError, match="an image of two"):
            explainer.explain_each(batches, progress=lambda done, total: layers.append(done))
        assert ended.is_set()  # no thread uses the network any longer
    assert layers == []  # the second image raised at its first layer


def test_filters_are_kept_within_their_limit_and_the_limit_is_restored():
    with threads(2):
        Explainer(Functional(), memory_budget=10**7).explain_each(pictures((24, 32), (32, 24), (16, 40), (40, 16)))
        assert _sampled.limit.get() == REMEMBERED_BYTES
    assert _sampled.bytes == sum(bank.nbytes for bank in _sampled.banks.values())


def test_no_more_images_at_a_time_than_threads_or_than_half_of_the_memory_holds():
    with threads(2):
        assert Explainer(Functional(), memory_budget=10**6).side_by_side == 2
        assert Explainer(Functional(), memory_budget=10**15).side_by_side == 1
    with threads(1):
        assert Explainer(Functional()).side_by_side == 1
