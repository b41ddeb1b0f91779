"""For tests of what must hold with compiled loops and in plain PyTorch alike."""

import pytest

from explainsal.functional.kernels.dispatch import plain_only


@pytest.fixture(params=[False, True], ids=["loops", "plain"])
def loops_or_plain(request):
    with plain_only(request.param):
        yield
