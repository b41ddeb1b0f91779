"""Watch every operation of a computation."""

from __future__ import annotations

from torch.utils._python_dispatch import TorchDispatchMode


class OperationWatcher(TorchDispatchMode):
    """Base class whose ``__torch_dispatch__`` sees every operation, as in `TorchDispatchMode`.

    The base class of torch would import its compiler at the first operation, which takes a second of CPU time.
    """

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False
