"""Tests against values from elsewhere run on the plain path and on compiled kernels, these on several threads."""

import pytest
import torch

from explainsal.functional.native import native_kernels


@pytest.fixture(params=[None, 3], ids=["plain", "compiled"], scope="module")
def kernels(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param or before)
    with native_kernels(request.param is not None):
        yield
    torch.set_num_threads(before)
