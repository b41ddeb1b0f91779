"""The fit used by most tests of this folder."""

import pytest
import torch
from tests.distillation.small import fitted


@pytest.fixture(scope="module")
def fit():
    torch.manual_seed(0)
    return fitted()
