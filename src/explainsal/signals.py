"""Handle Ctrl-C and SIGTERM.

During imports, a command ends at once with one message. Afterwards both signals raise in the main thread:
`KeyboardInterrupt`, or its subclass `Terminated`. A running training step is finished first (`hold`). The processes of
a distributed run notify the first process and end with it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

EXIT_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
FIRST_PROCESS = "EXPLAINSAL_FIRST_PROCESS"  # process id of the first process of a distributed run
_GRACE = 30.0  # seconds after which the process ends if the main thread does not react, e.g. waits for a process
_REPEATED = 3.0  # seconds within which repeated signals, e.g. to the whole process group, count as one


class Terminated(KeyboardInterrupt):
    """Interrupt raised by SIGTERM."""


@dataclass
class _State:
    signum: int | None = None  # the first signal that arrived
    since: float = 0.0
    held: bool = False
    active: bool = False  # whether signals raise


_state = _State()


def describe_interrupt(error: KeyboardInterrupt) -> tuple[str, int]:
    """Return the name of an interrupt for messages, and the exit code."""
    if isinstance(error, Terminated):
        return "Terminated", EXIT_CODES[signal.SIGTERM]
    return "Interrupted", EXIT_CODES[signal.SIGINT]


def end_while_importing() -> None:
    """Let both signals end a command during its imports, with one message and no traceback."""
    if _runs_a_command() and threading.current_thread() is threading.main_thread():
        for signum in EXIT_CODES:
            if signal.getsignal(signum) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(signum, _end_now)


@contextmanager
def handled() -> Iterator[None]:
    """Let both signals raise in the main thread while the body runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _state.signum, _state.held, _state.active = None, False, True
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    watcher = threading.Thread(target=_watch, args=(receiver,), name="signals", daemon=True)
    watcher.start()
    if follows():
        threading.Thread(target=_follow, name="first-process", daemon=True).start()
    wanted = [signum for signum in EXIT_CODES if signal.getsignal(signum) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, _handle) for signum in wanted}
    descriptor = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    try:
        yield
    finally:
        _state.active = False
        signal.set_wakeup_fd(descriptor)
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is _end_now else handler)
        sender.close()


def follows() -> bool:
    """Return whether Lightning started this process for a distributed run of its parent process."""
    return os.environ.get("LOCAL_RANK", "0") != "0" and os.environ.get(FIRST_PROCESS) == str(os.getppid())


def hold() -> None:
    """Defer signals until `release` to protect the following code; a repeated signal is not deferred."""
    _state.held = True


def release() -> None:
    """Stop deferring signals.

    Raises:
        KeyboardInterrupt: If a signal arrived in the meantime.
    """
    held, _state.held = _state.held, False
    if held and _state.signum is not None:
        _raise(_state.signum)


def _handle(signum: int, frame: FrameType | None) -> None:
    if follows():
        return  # `_watch` notifies the first process
    now = time.monotonic()
    if _state.signum is not None and now - _state.since < _REPEATED:
        return
    repeated = _state.signum is not None
    _state.signum, _state.since = signum, now
    if not _state.held or repeated:
        _raise(signum)


def _raise(signum: int) -> NoReturn:
    raise Terminated if signum == signal.SIGTERM else KeyboardInterrupt


def _watch(receiver: socket.socket) -> None:
    """React to signals that the main thread may miss, as when it waits for another process in compiled code."""
    while byte := receiver.recv(1):
        if byte[0] not in EXIT_CODES:
            continue
        if follows():
            with suppress(OSError):
                os.kill(os.getppid(), byte[0])
        else:
            threading.Thread(target=_end_later, args=(byte[0], time.monotonic()), daemon=True).start()


def _end_later(signum: int, since: float) -> None:
    time.sleep(_GRACE)
    if _state.active and _state.signum is None:  # the main thread has not reacted
        word = describe_interrupt(Terminated() if signum == signal.SIGTERM else KeyboardInterrupt())[0]
        _say(f"{word}. The computation did not stop within {_GRACE:.0f} seconds.")
        os._exit(EXIT_CODES[signal.Signals(signum)])


def _follow() -> None:
    """End this process as soon as the first process has ended."""
    while follows():
        time.sleep(0.5)
    os._exit(1)


def _end_now(signum: int, frame: FrameType | None) -> NoReturn:
    _say("Terminated." if signum == signal.SIGTERM else "Interrupted.")
    os._exit(EXIT_CODES[signal.Signals(signum)])


def _say(message: str) -> None:
    os.write(2, f"\nexplainsal: {message}\n".encode())


def _runs_a_command() -> bool:
    """Return whether this process runs ``python -m explainsal.NAME``, even during its imports."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    return spec is not None and str(spec.name).startswith("explainsal.")


def _forget_in_fork() -> None:
    """Restore Python's signal handlers in a forked process, e.g. a data loader worker."""
    with suppress(ValueError):
        for signum, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL)):
            if signal.getsignal(signum) is _handle:
                signal.set_wakeup_fd(-1)
                signal.signal(signum, usual)


os.register_at_fork(after_in_child=_forget_in_fork)
