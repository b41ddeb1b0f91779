"""Tests against values from elsewhere run on the plain path and on compiled loops, these on several threads."""

import pytest
import torch

from explainsal.functional.kernels.dispatch import plain_only


@pytest.fixture(params=[None, 3], ids=["plain", "fast"], scope="module")
def kernels(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param or before)
    with plain_only(request.param is None):
        yield
    torch.set_num_threads(before)
