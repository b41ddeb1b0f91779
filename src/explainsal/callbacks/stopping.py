"""Handling of Ctrl-C and SIGTERM in Lightning's loops: stop between two steps, and preserve the signal."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.utilities.exceptions import SIGTERMException

from explainsal import signals


class StopOnSignal(Callback):
    """Keep the process's own handling of SIGTERM, finish training steps, and end the processes of a distributed run.

    Lightning's own handler broadcasts the signal to all processes, and waits forever if one of them is in another step.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handler of SIGTERM, because Lightning installs its own after every setup hook."""
        self._restore_handler()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handler of SIGTERM, if there was no validation before."""
        self._restore_handler()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore the handler of SIGTERM."""
        self._restore_handler()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Hold signals until the step is finished."""
        signals.hold()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Release signals, except after the last step, because validation follows immediately."""
        if batch_idx + 1 < trainer.num_training_batches:
            signals.release()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Release signals before the validation."""
        signals.release()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Release signals after an epoch without validation."""
        signals.release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Kill the processes that Lightning started; Lightning's own thread would also kill this process."""
        processes = getattr(trainer.strategy.launcher, "procs", None)
        if isinstance(exception, KeyboardInterrupt) and processes:
            started = list(processes)
            processes.clear()
            for process in started:
                process.kill()

    def _restore_handler(self) -> None:
        if self._handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


@contextmanager
def interrupts() -> Iterator[None]:
    """Raise the original exception of Ctrl-C or SIGTERM in a Trainer; Lightning replaces it by exit code 1."""
    try:
        yield
    except SIGTERMException:  # the process has no handler of its own, e.g. in a job started by another program
        raise signals.Terminated from None
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
