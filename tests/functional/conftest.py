"""For tests of compiled kernels: one thread and several."""

import pytest
import torch


@pytest.fixture(params=[1, 3], ids=["one thread", "three threads"], scope="module")
def threads(request):
    """Kernels share out their rows over PyTorch's threads, however many the machine that runs the tests has."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)
