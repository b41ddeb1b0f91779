"""Ctrl-C and SIGTERM in Lightning's loops: between two steps, with the signal that it was."""

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

    Lightning's own handler broadcasts from within the handler, which waits for ever for a process in another step.
    """

    def __init__(self) -> None:
        self._handler = signal.getsignal(signal.SIGTERM)

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back: Lightning puts its own handler in place after every hook of the setup."""
        self._take_back()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back, where nothing was validated before."""
        self._take_back()

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take SIGTERM back."""
        self._take_back()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """A step that has begun is finished."""
        signals.hold()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stop here, but not after the last step: validation follows at once."""
        if batch_idx + 1 < trainer.num_training_batches:
            signals.release()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop before the validation."""
        signals.release()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Stop after the epoch, where it had no validation."""
        signals.release()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """End the processes that Lightning started, without the thread of it that would kill this one with them."""
        processes = getattr(trainer.strategy.launcher, "procs", None)
        if isinstance(exception, KeyboardInterrupt) and processes:
            started = list(processes)
            processes.clear()
            for process in started:
                process.kill()

    def _take_back(self) -> None:
        if self._handler is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)


@contextmanager
def interrupts() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM out of a Trainer as what they were: Lightning makes an exit with code 1 of them."""
    try:
        yield
    except SIGTERMException:  # where the process has no handling of its own, as in a job that another program started
        raise signals.Terminated from None
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise stop.__context__ from None
        raise
