"""Decision when compiled loops run, and threads; whole explanations with and without loops."""

import threading
import time

import pytest
import torch
from tests.threads import threads

from explainsal.explanation import PRESETS, Explainer
from explainsal.functional.kernels import block_kernels
from explainsal.functional.kernels.dispatch import plain_only, share, shares, threads_for_shares
from explainsal.functional.reconstruction import inner_products, pairwise_mae

pytestmark = pytest.mark.usefixtures("threads")


def noise(*shape, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(7), dtype=dtype)


@pytest.mark.parametrize("preset", list(PRESETS))
@pytest.mark.parametrize("size", [(16, 24), (13, 18)])
def test_an_explanation_is_the_same_in_plain_pytorch(preset, size):
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 6, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv2d(6, 1, 3, padding=1))
    net, images = net.double(), noise(2, 3, *size)
    looped = Explainer(net, preset)(images)
    with plain_only():
        plain = Explainer(net, preset)(images)
    torch.testing.assert_close(looped.explainable_map, plain.explainable_map, rtol=1e-9, atol=1e-12)
    for mine, other in zip(looped.layers, plain.layers, strict=True):
        assert torch.equal(mine.coefficients.filter, other.coefficients.filter)


def test_loops_run_by_default_and_not_where_plain_pytorch_is_asked_for(monkeypatch):
    def refuse(*args):
        raise AssertionError("a loop ran")

    monkeypatch.setattr(block_kernels, "share_runs", refuse)
    with plain_only():
        pairwise_mae(noise(2, 3), noise(2, 3))
    with pytest.raises(AssertionError, match="ran"):
        pairwise_mae(noise(2, 3), noise(2, 3))


def test_operations_of_shared_work_start_no_threads_of_their_own():
    mine, theirs = torch.get_num_threads(), []
    share(lambda _: theirs.append(torch.get_num_threads()), 8)
    assert theirs == [1] * 8
    assert torch.get_num_threads() == mine


def test_shared_work_keeps_the_mode_of_its_caller():
    with torch.inference_mode():
        rows = noise(300, 20)
        assert inner_products(rows).is_inference()
        torch.testing.assert_close(inner_products(rows), rows @ rows.mT, rtol=1e-12, atol=1e-12)


def test_threads_are_left_to_shares_and_given_back():
    before = torch.get_num_threads()
    with threads_for_shares():
        assert torch.get_num_threads() == 1
        assert shares() == before
    assert torch.get_num_threads() == shares() == before


def test_an_error_is_raised_after_all_calls_that_have_begun_have_ended():
    begun, ended = threading.Event(), []

    def work(number: int) -> None:
        if number == 0:
            begun.wait(10)
            raise ValueError("first")
        begun.set()
        time.sleep(0.3)
        ended.append(number)

    with threads(2):
        with pytest.raises(ValueError, match="first"):
            share(work, 2)
        assert ended == [1]
